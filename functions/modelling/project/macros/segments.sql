{# The usual names of pairs of recency and frequency scores (each 1 to 5), as tools for customer relations print them.
   The pairs cover the square: a test walks all 25. #}
{% macro segment(recency, frequency) -%}
CASE
    WHEN {{ recency }} IS NULL OR {{ frequency }} IS NULL THEN NULL
    WHEN {{ recency }} = 5 AND {{ frequency }} >= 4 THEN 'champions'
    WHEN {{ recency }} >= 3 AND {{ frequency }} >= 4 THEN 'loyal'
    WHEN {{ recency }} >= 4 AND {{ frequency }} >= 2 THEN 'potential loyalists'
    WHEN {{ recency }} = 5 THEN 'new'
    WHEN {{ recency }} = 4 THEN 'promising'
    WHEN {{ recency }} = 3 AND {{ frequency }} = 3 THEN 'need attention'
    WHEN {{ recency }} = 3 THEN 'about to sleep'
    WHEN {{ frequency }} = 5 THEN 'cannot lose'
    WHEN {{ frequency }} >= 3 THEN 'at risk'
    WHEN {{ recency }} = 2 THEN 'hibernating'
    ELSE 'lost'
  END
{%- endmacro %}

{# The score, 1 to 5, of a value against the four boundaries of the clientele's quintiles. #}
{% macro score(value, boundaries, higher_is_better) -%}
IF({{ boundaries }}_1 IS NULL, NULL, {{ "1 +" if higher_is_better else "5 -" }} (
    {%- for n in [1, 2, 3, 4] %}IF({{ value }} > {{ boundaries }}_{{ n }}, 1, 0){% if not loop.last %} + {% endif %}{% endfor -%}
  ))
{%- endmacro %}
