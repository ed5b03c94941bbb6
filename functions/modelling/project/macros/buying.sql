{# How shoppers buy each thing: the statistics of a product and of a category are the same.

   bought: CTE or relation of one row a shopper, day and thing, with paid, discount, price.
   The usual price is worked out once for each purchase, from the purchases up to it, and then taken as of each day:
   what comes later cannot reach it. Medians are places in an order, because the emulator's APPROX_QUANTILES(…)[OFFSET(1)]
   gives what stands at 2. #}
{% macro buying(bought, thing) %}
  priced AS (
    SELECT
      b.shopper, b.{{ thing }}, b.day, b.price,
      ROW_NUMBER() OVER (PARTITION BY b.shopper, b.{{ thing }} ORDER BY b.day) AS place
    FROM {{ bought }} AS b
    WHERE b.price IS NOT NULL
  ),
  last_prices AS (
    SELECT
      n.shopper, n.{{ thing }}, n.day, o.price,
      ROW_NUMBER() OVER (PARTITION BY n.shopper, n.{{ thing }}, n.day ORDER BY o.price) AS place,
      COUNT(*) OVER (PARTITION BY n.shopper, n.{{ thing }}, n.day) AS many
    FROM priced AS n
    JOIN priced AS o
      ON o.shopper = n.shopper AND o.{{ thing }} = n.{{ thing }} AND o.place BETWEEN n.place - 4 AND n.place
  ),
  usual_prices AS (
    SELECT l.shopper, l.{{ thing }}, l.day, l.price FROM last_prices AS l WHERE l.place = CEIL(l.many / 2)
  ),
  counted AS (
    SELECT
      t.as_of, t.purpose, t.trips_back, b.shopper, b.{{ thing }}, b.day, b.paid, b.discount, u.price AS usual_price,
      IF(u.price IS NULL, NULL, b.day) AS priced_day
    FROM {{ bought }} AS b
    JOIN {{ ref("trips_before") }} AS t ON t.shopper = b.shopper AND t.day = b.day
    LEFT JOIN usual_prices AS u ON u.shopper = b.shopper AND u.{{ thing }} = b.{{ thing }} AND u.day = b.day
    WHERE t.personal
  ),
  known AS (
    SELECT
      c.as_of, c.purpose, c.shopper, c.{{ thing }},
      {%- for days in [7, 14, 28, 56, 91] %}
      COUNTIF({{ within(days, "c") }}) AS trips_{{ days }},
      {%- endfor %}
      COUNT(*) AS trips_all,
      {%- for trips in [3, 5, 10, 20] %}
      COUNTIF(c.trips_back < {{ trips }}) AS in_last_{{ trips }},
      {%- endfor %}
      SUM(POW(0.5, c.trips_back / {{ var("half_life") }})) AS decayed,
      DATE_DIFF(c.as_of, MAX(c.day), DAY) AS days_since_last,
      MIN(c.trips_back) AS trips_since_last,
      DATE_DIFF(MAX(c.day), MIN(c.day), DAY) / NULLIF(COUNT(*) - 1, 0) AS mean_gap_days,
      MAX_BY(c.usual_price, c.priced_day) AS usual_price,
      SUM(c.discount) / NULLIF(SUM(c.discount + c.paid), 0) AS discount_share
    FROM counted AS c
    GROUP BY c.as_of, c.purpose, c.shopper, c.{{ thing }}
  )
{% endmacro %}

{# The columns of `known`, in the order of the contract. #}
{% macro buying_columns() -%}
k.trips_7, k.trips_14, k.trips_28, k.trips_56, k.trips_91, k.trips_all,
  k.in_last_3, k.in_last_5, k.in_last_10, k.in_last_20,
  k.decayed, k.days_since_last, k.trips_since_last, k.mean_gap_days,
  k.days_since_last / k.mean_gap_days AS recency_over_gap,
  k.usual_price, k.discount_share, {{ built() }} AS built
{%- endmacro %}
