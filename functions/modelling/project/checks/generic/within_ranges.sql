{# Every value lies within its range; absent ones are not looked at. One pass for all columns, because a scan a column
   would cost as much as the model.

   ranges: by column, the smallest and the largest value, null for none. "as_of" stands for the run's day, excluded. #}
{% test within_ranges(model, ranges) %}
SELECT 1 AS outside
FROM {{ model }} AS m
WHERE FALSE
{%- for column, range in ranges.items() %}
  {%- if range[0] is not none %}
  OR m.{{ column }} < {{ range[0] }}
  {%- endif %}
  {%- if range[1] == "as_of" %}
  OR m.{{ column }} >= {{ as_of() }}
  {%- elif range[1] is not none %}
  OR m.{{ column }} > {{ range[1] }}
  {%- endif %}
{%- endfor %}
{% endtest %}
