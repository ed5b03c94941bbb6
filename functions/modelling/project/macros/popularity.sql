{# What the clientele buys of each thing.

   bought: CTE of one row a shopper, day and thing, with price.
   Shoppers who agreed to be counted alone: what is said of everybody must not give away who asked not to be. #}
{% macro popularity(bought, thing) %}
  measured AS (
    SELECT t.as_of, t.purpose, t.shopper, t.day FROM {{ ref("trips_before") }} AS t WHERE t.measured
  ),
  totals AS (
    SELECT
      m.as_of,
      COUNTIF({{ within(14, "m") }}) AS trips_14,
      COUNTIF({{ within(28, "m") }}) AS trips_28
    FROM measured AS m
    GROUP BY m.as_of
  ),
  bought_before AS (
    SELECT
      m.as_of, m.purpose, m.shopper, b.{{ thing }},
      {%- for days in [14, 28, 91] %}
      COUNTIF({{ within(days, "m") }}) AS trips_{{ days }},
      {%- endfor %}
      SUM(IF({{ within(91, "m") }}, b.price, NULL)) AS prices,
      COUNT(IF({{ within(91, "m") }}, b.price, NULL)) AS priced
    FROM {{ bought }} AS b
    JOIN measured AS m ON m.shopper = b.shopper AND m.day = b.day
    GROUP BY m.as_of, m.purpose, m.shopper, b.{{ thing }}
  ),
  known AS (
    SELECT
      b.as_of, b.purpose, b.{{ thing }},
      SUM(b.trips_14) AS trips_14,
      SUM(b.trips_28) AS trips_28,
      SUM(b.trips_91) AS trips_91,
      COUNTIF(b.trips_28 > 0) AS shoppers_28,
      COUNTIF(b.trips_91 > 1) / NULLIF(COUNTIF(b.trips_91 > 0), 0) AS repeat_rate,
      SUM(b.prices) / NULLIF(SUM(b.priced), 0) AS mean_price
    FROM bought_before AS b
    GROUP BY b.as_of, b.purpose, b.{{ thing }}
  )
{% endmacro %}

{# The columns of `known` and `totals`, in the order of the contract. #}
{% macro popularity_columns() -%}
CAST(k.trips_14 AS INT64) AS trips_14, CAST(k.trips_28 AS INT64) AS trips_28, CAST(k.trips_91 AS INT64) AS trips_91,
  k.shoppers_28,
  COALESCE(k.trips_14 / NULLIF(n.trips_14, 0), 0.0) AS share_14,
  COALESCE(k.trips_28 / NULLIF(n.trips_28, 0), 0.0) AS share_28,
  k.repeat_rate, k.mean_price
{%- endmacro %}
