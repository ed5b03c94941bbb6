{# No two rows share these columns. #}
{% test unique_grain(model, columns) %}
SELECT COUNT(*) AS rows_alike
FROM {{ model }} AS m
GROUP BY {% for column in columns %}m.{{ column }}{% if not loop.last %}, {% endif %}{% endfor %}
HAVING COUNT(*) > 1
{% endtest %}
