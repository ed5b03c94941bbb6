{{ config(cluster_by=["shopper"]) }}
-- Of trips on which a product was bought: who only filled the tank has not come shopping. Visits of any kind stand beside.
WITH
  shopping AS (
    SELECT
      b.as_of, b.purpose, b.shopper, b.day, b.basket_value, b.lines,
      DATE_DIFF(b.as_of, b.day, DAY) AS age,
      ROW_NUMBER() OVER (PARTITION BY b.as_of, b.shopper ORDER BY b.day DESC) AS place,
      DATE_DIFF(b.day, LAG(b.day) OVER (PARTITION BY b.as_of, b.shopper ORDER BY b.day), DAY) AS gap
    FROM {{ ref("trips_before") }} AS b
    WHERE b.personal AND b.lines > 0 AND {{ learnt_from("b") }}
  ),
  known AS (
    SELECT
      s.as_of, s.purpose, s.shopper,
      COUNT(*) AS shopping_trips,
      {%- for days in [7, 14, 28, 42, 56, 91, 182] %}
      COUNTIF(s.age <= {{ days }}) AS shopping_trips_{{ days }},
      {%- endfor %}
      {%- for days in [14, 30, 60] %}
      SUM(POW(0.5, s.age / {{ days }})) AS decayed_{{ days }}_days,
      {%- endfor %}
      MAX(s.age) AS first_shopping_age,
      MIN(s.age) AS days_since_shopping,
      {%- for place in [2, 3, 5, 10] %}
      MAX(IF(s.place = {{ place }}, s.age, NULL)) AS days_since_shopping_{{ place }},
      {%- endfor %}
      AVG(s.gap) AS shopping_gap_mean,
      STDDEV_SAMP(s.gap) AS shopping_gap_sd,
      MAX(s.gap) AS shopping_gap_longest,
      AVG(IF(s.place < 3, s.gap, NULL)) AS shopping_gap_last_2,
      AVG(IF(s.place < 5, s.gap, NULL)) AS shopping_gap_last_4,
      AVG(IF(s.place < 10, s.gap, NULL)) AS shopping_gap_last_9,
      MAX(IF(s.place < 10, s.gap, NULL)) AS shopping_gap_longest_of_9,
      COUNT(DISTINCT DIV(s.age - 1, 7)) AS weeks_with_shopping,
      COUNT(DISTINCT IF(s.age <= 91, DIV(s.age - 1, 7), NULL)) AS weeks_with_shopping_13,
      AVG(s.lines) AS lines_mean,
      AVG(IF(s.place <= 5, s.lines, NULL)) AS lines_mean_last_5
    FROM shopping AS s
    GROUP BY s.as_of, s.purpose, s.shopper
  )
SELECT
  k.as_of, k.purpose, k.shopper,
  k.shopping_trips,
  k.shopping_trips_7, k.shopping_trips_14, k.shopping_trips_28, k.shopping_trips_42, k.shopping_trips_56,
  k.shopping_trips_91, k.shopping_trips_182,
  k.decayed_14_days, k.decayed_30_days, k.decayed_60_days,
  k.first_shopping_age, k.days_since_shopping,
  k.days_since_shopping_2, k.days_since_shopping_3, k.days_since_shopping_5, k.days_since_shopping_10,
  k.shopping_gap_mean, k.shopping_gap_sd, k.shopping_gap_longest,
  k.shopping_gap_last_2, k.shopping_gap_last_4, k.shopping_gap_last_9, k.shopping_gap_longest_of_9,
  k.days_since_shopping / NULLIF(k.shopping_gap_mean, 0) AS recency_over_gap,
  (k.days_since_shopping - k.shopping_gap_mean) / NULLIF(k.shopping_gap_sd, 0) AS recency_in_deviations,
  k.weeks_with_shopping, k.weeks_with_shopping_13, k.lines_mean, k.lines_mean_last_5,
  h.trips_28 AS visits_28, h.days_since_last AS days_since_visit, h.spend_28, h.spend_91, h.q50, h.discount_share,
  h.distinct_categories,
  IF(k.purpose = 'score' OR k.as_of > DATE_SUB({{ as_of() }}, INTERVAL 28 DAY), NULL, IF(n.shopper IS NULL, 1, 0)) AS target,
  {{ built() }} AS built
FROM known AS k
JOIN {{ ref("shopper_statistics") }} AS h ON h.as_of = k.as_of AND h.shopper = k.shopper
LEFT JOIN {{ ref("targets") }} AS n ON n.as_of = k.as_of AND n.shopper = k.shopper
