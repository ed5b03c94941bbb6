{# Of the rows that count, per cent whose value the other relation does not know; a warning above `config.warn_if`. #}
{% test mostly_known(model, column_name, to, field) %}
{{ config(fail_calc="COALESCE(MAX(percent_unknown), 0)", warn_if="> 5", error_if="> 100") }}
SELECT CAST(FLOOR(100 * COUNTIF(t.{{ field }} IS NULL) / NULLIF(COUNT(*), 0)) AS INT64) AS percent_unknown
FROM {{ model }} AS m
LEFT JOIN {{ to }} AS t ON t.{{ field }} = m.{{ column_name }}
WHERE {{ counts("m.`at`") }}
{% endtest %}
