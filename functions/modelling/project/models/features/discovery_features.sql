{{ config(cluster_by=["shopper", "product"]) }}
-- Products that a shopper never bought: what appeals most now in the categories that the shopper buys most, and of all.
-- The candidates of a shopper are bounded, so the cost grows with the shoppers and not with the assortment.
WITH
  shoppers AS (
    SELECT h.* FROM {{ ref("shopper_statistics") }} AS h WHERE {{ learnt_from("h") }}
  ),
  habits AS (
    SELECT k.*, ROW_NUMBER() OVER (PARTITION BY k.as_of, k.shopper ORDER BY k.decayed DESC, k.category) AS place
    FROM {{ ref("shopper_category_statistics") }} AS k
    WHERE {{ learnt_from("k") }}
  ),
  brands AS (
    SELECT s.as_of, s.shopper, s.brand, SUM(s.decayed) AS decayed
    FROM {{ ref("shopper_product_statistics") }} AS s
    WHERE {{ learnt_from("s") }} AND s.brand IS NOT NULL
    GROUP BY s.as_of, s.shopper, s.brand
  ),
  departments AS (
    SELECT s.as_of, s.shopper, s.department, SUM(s.decayed) AS decayed
    FROM {{ ref("shopper_category_statistics") }} AS s
    WHERE {{ learnt_from("s") }}
    GROUP BY s.as_of, s.shopper, s.department
  ),
  repeats AS (
    SELECT s.as_of, s.shopper, 1 - COUNT(*) / SUM(s.trips_all) AS repeat_share, SUM(s.decayed) AS decayed
    FROM {{ ref("shopper_product_statistics") }} AS s
    WHERE {{ learnt_from("s") }}
    GROUP BY s.as_of, s.shopper
  ),
  -- How dear what the shopper buys is, against the rest of its categories: in logarithms, 0 is as dear.
  price_levels AS (
    SELECT s.as_of, s.shopper, SUM(s.decayed * LN(s.usual_price / c.mean_price)) / SUM(s.decayed) AS price_level
    FROM {{ ref("shopper_product_statistics") }} AS s
    JOIN {{ ref("category_popularity") }} AS c ON c.as_of = s.as_of AND c.category = s.category
    WHERE {{ learnt_from("s") }} AND s.usual_price > 0 AND c.mean_price > 0
    GROUP BY s.as_of, s.shopper
  ),
  tried AS (
    SELECT
      s.as_of, s.shopper, s.category, COUNT(*) AS distinct_products, SUM(POW(0.5, {{ first_age("s") }} / 60)) AS tried
    FROM {{ ref("shopper_product_statistics") }} AS s
    WHERE {{ learnt_from("s") }} AND s.category IS NOT NULL
    GROUP BY s.as_of, s.shopper, s.category
  ),
  kinds_bought AS (
    SELECT k.* FROM {{ ref("shopper_kind_statistics") }} AS k WHERE {{ learnt_from("k") }}
  ),
  candidates AS (
    SELECT k.as_of, k.shopper, p.product
    FROM habits AS k
    JOIN {{ ref("product_appeal") }} AS p ON p.as_of = k.as_of AND p.category = k.category
    WHERE k.place <= 15 AND p.place_in_category <= 10
    UNION DISTINCT
    SELECT h.as_of, h.shopper, p.product
    FROM shoppers AS h
    JOIN {{ ref("product_appeal") }} AS p ON p.as_of = h.as_of
    WHERE p.place <= 150
  ),
  -- What appeals now, times what the shopper usually buys of its kind and its category, against everybody. The powers
  -- are those of the best list of ten on earlier days (infra/decisions/0026); the trees learn from its place in it.
  listed AS (
    SELECT
      c.as_of, h.purpose, c.shopper, c.product,
      p.appeal
        * POW((COALESCE(d.decayed, 0.0) / h.weight / GREATEST(p.kind_taste, 0.002) + 0.5) / 1.5, 0.35)
        * POW((COALESCE(k.decayed, 0.0) / h.weight / GREATEST(p.category_share, 0.002) + 0.5) / 1.5, 0.2) AS pull
    FROM candidates AS c
    JOIN shoppers AS h ON h.as_of = c.as_of AND h.shopper = c.shopper
    JOIN {{ ref("product_appeal") }} AS p ON p.as_of = c.as_of AND p.product = c.product
    LEFT JOIN habits AS k ON k.as_of = c.as_of AND k.shopper = c.shopper AND k.category = p.category
    LEFT JOIN kinds_bought AS d ON d.as_of = c.as_of AND d.shopper = c.shopper AND d.kind = p.kind
    LEFT JOIN {{ ref("shopper_product_statistics") }} AS o
      ON o.as_of = c.as_of AND o.shopper = c.shopper AND o.product = c.product
    WHERE o.product IS NULL
  ),
  placed AS (
    SELECT l.*, ROW_NUMBER() OVER (PARTITION BY l.as_of, l.shopper ORDER BY l.pull DESC, l.product) AS place
    FROM listed AS l
  ),
  -- Three rows of a thousand are a purchase, and they are what there is to learn from: all of them are kept, and of the
  -- others three of sixteen, by chance and always the same. `DISCOVERIES.kept` takes it back from the probabilities.
  unknown AS (
    SELECT
      l.as_of, l.purpose, l.shopper, l.product, l.pull, l.place,
      IF(l.purpose = 'score' OR n.next_day IS NULL, NULL, IF(t.product IS NULL, 0, 1)) AS target
    FROM placed AS l
    LEFT JOIN {{ ref("targets") }} AS n ON n.as_of = l.as_of AND n.shopper = l.shopper
    LEFT JOIN {{ ref("trip_products") }} AS t
      ON t.shopper = n.shopper AND t.day = n.next_day AND t.product = l.product
    WHERE l.purpose = 'score' OR t.product IS NOT NULL
      OR SUBSTR(TO_HEX(MD5(CONCAT(l.shopper, l.product, CAST(l.as_of AS STRING)))), 1, 1) < '3'
  ),
  usual_affinities AS (
    SELECT m.as_of, m.product, SUM(m.usual * m.difference) AS affinity
    FROM {{ ref("product_marks") }} AS m
    GROUP BY m.as_of, m.product
  ),
  affinities AS (
    SELECT c.as_of, c.shopper, c.product, SUM(t.taste * m.difference) AS affinity
    FROM unknown AS c
    JOIN {{ ref("product_marks") }} AS m ON m.as_of = c.as_of AND m.product = c.product
    JOIN kinds_bought AS t ON t.as_of = c.as_of AND t.shopper = c.shopper AND t.kind = m.kind
    GROUP BY c.as_of, c.shopper, c.product
  )
SELECT
  c.as_of, c.purpose, c.shopper, c.product, p.category, p.department, p.brand,
  {{ clientele_columns("p") }},
  p.trips_7 AS clientele_trips_7, p.decayed_3_days AS clientele_decayed_3_days,
  p.decayed_7_days AS clientele_decayed_7_days, p.discount_share_7 AS clientele_discount_share_7,
  p.share_of_category AS clientele_share_of_category, p.share_of_kind AS clientele_share_of_kind,
  p.share_tried_of_category AS clientele_share_tried_of_category,
  p.share_tried_of_kind AS clientele_share_tried_of_kind,
  p.first_purchases_7 AS clientele_first_purchases_7,
  p.first_purchases_14 AS clientele_first_purchases_14,
  p.first_purchases_28 AS clientele_first_purchases_28,
  p.reach AS clientele_reach, p.hazard_14 AS clientele_hazard_14, p.hazard_28 AS clientele_hazard_28,
  p.hazard_now AS clientele_hazard_now, p.appeal AS clientele_appeal,
  p.age AS clientele_age,
  COALESCE(m.decayed, 0.0) / a.decayed AS brand_share,
  COALESCE(q.decayed, 0.0) / h.weight AS department_weight,
  a.repeat_share AS shopper_repeat_share, a.decayed / h.weight AS shopper_products_a_trip,
  p.hazard_28 * a.decayed / h.weight * (1 - a.repeat_share) AS expected_anew,
  COALESCE(k.decayed, 0.0) AS category_decayed,
  COALESCE(k.trips_91, 0) AS category_trips_91, COALESCE(k.trips_28, 0) AS category_trips_28,
  COALESCE(k.in_last_5, 0) AS category_in_last_5,
  k.days_since_last AS category_days_since_last, k.mean_gap_days AS category_mean_gap_days,
  k.recency_over_gap AS category_recency_over_gap,
  p.mean_price / k.usual_price AS price_over_category,
  p.price_level, v.price_level AS shopper_price_level, p.price_level - v.price_level AS price_level_difference,
  COALESCE(y.distinct_products, 0) AS category_distinct_products,
  COALESCE(y.tried, 0.0) / h.weight AS category_tried,
  COALESCE(y.tried, 0.0) / h.weight * p.share_tried_of_category AS expected_of_category,
  COALESCE(d.distinct_products, 0) AS kind_distinct_products, COALESCE(d.trips_91, 0) AS kind_trips_91,
  d.days_since_last AS kind_days_since_last,
  COALESCE(d.decayed, 0.0) / h.weight AS kind_weight, COALESCE(d.tried, 0.0) / h.weight AS kind_tried,
  COALESCE(d.decayed, 0.0) / h.weight * p.share_of_kind AS expected_of_kind,
  COALESCE(d.tried, 0.0) / h.weight * p.share_tried_of_kind AS expected_anew_of_kind,
  COALESCE(f.affinity, 0.0) - COALESCE(g.affinity, 0.0) AS affinity,
  (COALESCE(k.decayed, 0.0) + 2 * p.share_28) / (h.weight + 2) * p.share_of_category AS expected,
  {{ shopper_feature_columns("h") }},
  c.pull, c.place,
  c.target,
  {{ built() }} AS built
FROM unknown AS c
JOIN shoppers AS h ON h.as_of = c.as_of AND h.shopper = c.shopper
JOIN {{ ref("product_appeal") }} AS p ON p.as_of = c.as_of AND p.product = c.product
LEFT JOIN habits AS k ON k.as_of = c.as_of AND k.shopper = c.shopper AND k.category = p.category
JOIN repeats AS a ON a.as_of = c.as_of AND a.shopper = c.shopper
LEFT JOIN brands AS m ON m.as_of = c.as_of AND m.shopper = c.shopper AND m.brand = p.brand
LEFT JOIN departments AS q ON q.as_of = c.as_of AND q.shopper = c.shopper AND q.department = p.department
LEFT JOIN price_levels AS v ON v.as_of = c.as_of AND v.shopper = c.shopper
LEFT JOIN tried AS y ON y.as_of = c.as_of AND y.shopper = c.shopper AND y.category = p.category
LEFT JOIN kinds_bought AS d ON d.as_of = c.as_of AND d.shopper = c.shopper AND d.kind = p.kind
LEFT JOIN affinities AS f ON f.as_of = c.as_of AND f.shopper = c.shopper AND f.product = c.product
LEFT JOIN usual_affinities AS g ON g.as_of = c.as_of AND g.product = c.product
