{{ config(cluster_by=["shopper"]) }}
-- A quantile is a place in the order: the smallest basket value that so many of the trips do not exceed.
-- The emulator's DIV(n + 1, 2) forgets the parentheses, hence CEIL.
WITH
  placed AS (
    SELECT
      t.as_of, t.purpose, t.shopper, t.day, t.basket_value, t.lines, t.days_since_previous, t.trips_back, t.personal,
      t.measured,
      ROW_NUMBER() OVER (PARTITION BY t.as_of, t.shopper ORDER BY t.basket_value) AS place,
      COUNT(*) OVER (PARTITION BY t.as_of, t.shopper) AS many
    FROM {{ ref("trips_before") }} AS t
  ),
  visits AS (
    SELECT
      p.as_of, p.purpose, p.shopper, p.personal, p.measured,
      COUNT(*) AS trips,
      DATE_DIFF(p.as_of, MIN(p.day), DAY) AS first_day_age,
      DATE_DIFF(p.as_of, MAX(p.day), DAY) AS days_since_last,
      DATE_DIFF(MAX(p.day), MIN(p.day), DAY) / NULLIF(COUNT(*) - 1, 0) AS mean_gap_days,
      STDDEV_SAMP(p.days_since_previous) AS sd_gap_days,
      {%- for days in [7, 14, 28, 56, 91] %}
      COUNTIF({{ within(days, "p") }}) AS trips_{{ days }},
      {%- endfor %}
      {%- for days in [28, 91] %}
      SUM(IF({{ within(days, "p") }}, p.basket_value, 0.0)) AS spend_{{ days }},
      {%- endfor %}
      COUNTIF({{ within(364, "p") }}) AS year_trips,
      SUM(IF({{ within(364, "p") }}, p.basket_value, 0.0)) AS year_spend,
      {%- for percent in [10, 25, 50, 60, 75, 90] %}
      MAX(IF(p.place = CEIL(p.many * {{ percent }} / 100), p.basket_value, NULL)) AS q{{ percent }},
      {%- endfor %}
      AVG(p.lines) AS lines_mean,
      SUM(POW(0.5, p.trips_back / {{ var("half_life") }})) AS weight
    FROM placed AS p
    GROUP BY p.as_of, p.purpose, p.shopper, p.personal, p.measured
  ),
  products AS (
    SELECT
      b.as_of, b.shopper,
      SUM(t.discount) / NULLIF(SUM(t.discount + t.paid), 0) AS discount_share,
      COUNT(DISTINCT t.product) AS distinct_products,
      COUNT(DISTINCT t.category) AS distinct_categories
    FROM {{ ref("trip_products") }} AS t
    JOIN {{ ref("trips_before") }} AS b ON b.shopper = t.shopper AND b.day = t.day
    WHERE b.personal
    GROUP BY b.as_of, b.shopper
  ),
  -- Scores compare with the clientele, so with the shoppers who agreed to be counted.
  ordered AS (
    SELECT
      v.as_of, v.days_since_last, v.year_trips, v.year_spend,
      ROW_NUMBER() OVER (PARTITION BY v.as_of ORDER BY v.days_since_last) AS recency_place,
      ROW_NUMBER() OVER (PARTITION BY v.as_of ORDER BY v.year_trips) AS frequency_place,
      ROW_NUMBER() OVER (PARTITION BY v.as_of ORDER BY v.year_spend) AS monetary_place,
      COUNT(*) OVER (PARTITION BY v.as_of) AS many
    FROM visits AS v
    WHERE v.measured
  ),
  boundaries AS (
    SELECT
      o.as_of,
      {%- for n in [1, 2, 3, 4] %}
      MAX(IF(o.recency_place = CEIL(o.many * {{ n }} / 5), o.days_since_last, NULL)) AS recency_{{ n }},
      MAX(IF(o.frequency_place = CEIL(o.many * {{ n }} / 5), o.year_trips, NULL)) AS frequency_{{ n }},
      MAX(IF(o.monetary_place = CEIL(o.many * {{ n }} / 5), o.year_spend, NULL)) AS monetary_{{ n }}{% if not loop.last %},{% endif %}
      {%- endfor %}
    FROM ordered AS o
    GROUP BY o.as_of
  ),
  scored AS (
    SELECT
      v.as_of, v.shopper,
      {{ score("v.days_since_last", "b.recency", false) }} AS recency_score,
      {{ score("v.year_trips", "b.frequency", true) }} AS frequency_score,
      {{ score("v.year_spend", "b.monetary", true) }} AS monetary_score
    FROM visits AS v
    LEFT JOIN boundaries AS b ON b.as_of = v.as_of
    WHERE v.personal
  )
SELECT
  v.as_of, v.purpose, v.shopper, v.trips, v.first_day_age, v.days_since_last, v.mean_gap_days, v.sd_gap_days,
  v.days_since_last / v.mean_gap_days AS recency_over_gap,
  v.trips_7, v.trips_14, v.trips_28, v.trips_56, v.trips_91, v.spend_28, v.spend_91,
  v.q10, v.q25, v.q50, v.q60, v.q75, v.q90,
  v.lines_mean, p.discount_share,
  s.recency_score, s.frequency_score, s.monetary_score,
  {{ segment("s.recency_score", "s.frequency_score") }} AS segment,
  COALESCE(p.distinct_products, 0) AS distinct_products,
  COALESCE(p.distinct_categories, 0) AS distinct_categories,
  v.weight,
  {{ built() }} AS built
FROM visits AS v
JOIN scored AS s ON s.as_of = v.as_of AND s.shopper = v.shopper
LEFT JOIN products AS p ON p.as_of = v.as_of AND p.shopper = v.shopper
WHERE v.personal
