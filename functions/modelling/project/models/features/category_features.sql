{{ config(cluster_by=["shopper", "category"]) }}
-- The categories that a shopper buys, and of those never bought the ones that the clientele buys most.
WITH
  shoppers AS (
    SELECT h.* FROM {{ ref("shopper_statistics") }} AS h WHERE {{ learnt_from("h", 0.4) }}
  ),
  popular AS (
    SELECT
      p.as_of, p.category, p.trips_14, p.trips_28, p.trips_91, p.share_14, p.share_28, p.repeat_rate, p.mean_price,
      ROW_NUMBER() OVER (PARTITION BY p.as_of ORDER BY p.trips_91 DESC, p.category) AS place
    FROM {{ ref("category_popularity") }} AS p
  ),
  pairs AS (
    SELECT h.as_of, h.shopper, p.category
    FROM shoppers AS h
    JOIN popular AS p ON p.as_of = h.as_of
    WHERE p.place <= {{ var("categories_considered") }}
    UNION DISTINCT
    SELECT k.as_of, k.shopper, k.category
    FROM {{ ref("shopper_category_statistics") }} AS k
    JOIN shoppers AS h ON h.as_of = k.as_of AND h.shopper = k.shopper
  ),
  rhythms AS (
    SELECT
      b.as_of, t.shopper, t.category,
      COUNT(*) AS items,
      COUNTIF({{ within(91, "b") }}) AS items_91,
      SUM(POW(0.5, b.trips_back / 4)) AS items_decayed_4,
      SUM(POW(0.5, DATE_DIFF(b.as_of, t.day, DAY) / 30)) AS items_decayed_30_days,
      SUM(POW(0.5, DATE_DIFF(b.as_of, t.day, DAY) / 90)) AS items_decayed_90_days,
      DATE_DIFF(b.as_of, MIN(t.day), DAY) AS first_day_age,
      (MAX(b.trips_back) - MIN(b.trips_back)) / NULLIF(COUNT(DISTINCT b.trips_back) - 1, 0) AS mean_gap_trips
    FROM {{ ref("trip_products") }} AS t
    JOIN {{ ref("trips_before") }} AS b ON b.shopper = t.shopper AND b.day = t.day
    WHERE t.personal AND t.category IS NOT NULL AND {{ learnt_from("b", 0.4) }}
    GROUP BY b.as_of, t.shopper, t.category
  ),
  habits AS (
    SELECT k.as_of, k.category, AVG(k.mean_gap_days) AS gap_days
    FROM {{ ref("shopper_category_statistics") }} AS k
    JOIN {{ ref("consenting_shoppers") }} AS c ON c.shopper = k.shopper
    WHERE c.measured
    GROUP BY k.as_of, k.category
  ),
  bought AS (
    SELECT DISTINCT d.as_of, t.shopper, t.category
    FROM {{ ref("as_of_days") }} AS d
    JOIN {{ ref("trip_products") }} AS t ON t.day >= d.as_of AND t.day < DATE_ADD(d.as_of, INTERVAL 14 DAY)
    WHERE d.purpose = 'train' AND t.category IS NOT NULL
  )
SELECT
  g.as_of, h.purpose, g.shopper, g.category,
  {%- for column in ["trips_7", "trips_14", "trips_28", "trips_56", "trips_91", "trips_all", "in_last_3", "in_last_5", "in_last_10", "in_last_20"] %}
  COALESCE(k.{{ column }}, 0) AS {{ column }},
  {%- endfor %}
  COALESCE(k.decayed, 0.0) AS decayed,
  k.days_since_last, k.trips_since_last, k.mean_gap_days, k.recency_over_gap, k.usual_price, k.discount_share,
  COALESCE(r.items, 0) AS items, COALESCE(r.items_91, 0) AS items_91,
  COALESCE(r.items_decayed_4, 0.0) AS items_decayed_4,
  COALESCE(r.items_decayed_30_days, 0.0) AS items_decayed_30_days,
  COALESCE(r.items_decayed_90_days, 0.0) AS items_decayed_90_days,
  r.first_day_age, r.mean_gap_trips,
  k.trips_since_last / r.mean_gap_trips AS trips_over_gap,
  COALESCE(k.decayed, 0.0) / h.weight AS share_of_trips,
  {{ shopper_feature_columns("h") }},
  h.trips_7 AS shopper_trips_7, h.trips_14 AS shopper_trips_14, h.spend_91 AS shopper_spend_91,
  h.distinct_categories AS shopper_distinct_categories,
  {{ clientele_columns("p") }},
  COALESCE(p.share_28, 0.0) AS clientele_share_28,
  k.days_since_last / b.gap_days AS recency_over_clientele_gap,
  IF(h.purpose = 'score' OR g.as_of > DATE_SUB({{ as_of() }}, INTERVAL 14 DAY), NULL, IF(y.category IS NULL, 0, 1)) AS target,
  {{ built() }} AS built
FROM pairs AS g
JOIN shoppers AS h ON h.as_of = g.as_of AND h.shopper = g.shopper
LEFT JOIN {{ ref("shopper_category_statistics") }} AS k
  ON k.as_of = g.as_of AND k.shopper = g.shopper AND k.category = g.category
LEFT JOIN rhythms AS r ON r.as_of = g.as_of AND r.shopper = g.shopper AND r.category = g.category
LEFT JOIN popular AS p ON p.as_of = g.as_of AND p.category = g.category
LEFT JOIN habits AS b ON b.as_of = g.as_of AND b.category = g.category
LEFT JOIN bought AS y ON y.as_of = g.as_of AND y.shopper = g.shopper AND y.category = g.category
