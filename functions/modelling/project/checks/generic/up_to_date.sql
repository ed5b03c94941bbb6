{# How many days before the run the newest fact is; 0 where there is none at all, for a shop that has not opened.

   In place of dbt's own freshness, which asks the real clock: a run that is repeated must judge as the first did. #}
{% test up_to_date(model, at) %}
{{ config(fail_calc="COALESCE(MAX(days), 0)") }}
SELECT DATE_DIFF({{ as_of() }}, MAX({{ day_of("m.`" ~ at ~ "`") }}), DAY) - 1 AS days
FROM {{ model }} AS m
WHERE {{ counts("m.`" ~ at ~ "`") }}
{% endtest %}
