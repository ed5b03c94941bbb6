{# Nothing is seen before it happened. #}
{% test trips_are_before_the_day(model) %}
SELECT 1 AS early FROM {{ model }} AS m WHERE m.day >= m.as_of OR m.trips_back < 0
{% endtest %}
