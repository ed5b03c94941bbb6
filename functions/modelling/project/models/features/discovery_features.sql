{{ config(cluster_by=["shopper", "product"]) }}
-- Products that a shopper never bought: the most popular of the categories that the shopper buys most, and the most
-- popular of all. The candidates of a shopper are bounded, so the cost grows with the shoppers and not with the assortment.
WITH
  shoppers AS (
    SELECT h.* FROM {{ ref("shopper_statistics") }} AS h WHERE {{ learnt_from("h", 0.4) }}
  ),
  habits AS (
    SELECT k.*, ROW_NUMBER() OVER (PARTITION BY k.as_of, k.shopper ORDER BY k.decayed DESC, k.category) AS place
    FROM {{ ref("shopper_category_statistics") }} AS k
    WHERE {{ learnt_from("k", 0.4) }}
  ),
  -- How many bought it for the first time lately: what is new to many is new to one more. Against those who had never
  -- bought it, so that what nearly everybody has is not taken for unknown.
  firsts AS (
    SELECT
      s.as_of, s.product, COUNT(*) AS buyers, MAX({{ first_age("s") }}) AS age,
      COUNTIF({{ first_age("s") }} <= 14) AS first_purchases_14,
      COUNTIF({{ first_age("s") }} <= 28) AS first_purchases_28
    FROM {{ ref("shopper_product_statistics") }} AS s
    JOIN {{ ref("consenting_shoppers") }} AS c ON c.shopper = s.shopper
    WHERE c.measured
    GROUP BY s.as_of, s.product
  ),
  everybody AS (
    SELECT b.as_of, COUNT(DISTINCT b.shopper) AS shoppers
    FROM {{ ref("trips_before") }} AS b
    WHERE b.measured
    GROUP BY b.as_of
  ),
  brands AS (
    SELECT s.as_of, s.shopper, s.brand, SUM(s.decayed) AS decayed
    FROM {{ ref("shopper_product_statistics") }} AS s
    WHERE {{ learnt_from("s", 0.4) }} AND s.brand IS NOT NULL
    GROUP BY s.as_of, s.shopper, s.brand
  ),
  departments AS (
    SELECT s.as_of, s.shopper, s.department, SUM(s.decayed) AS decayed
    FROM {{ ref("shopper_category_statistics") }} AS s
    WHERE {{ learnt_from("s", 0.4) }}
    GROUP BY s.as_of, s.shopper, s.department
  ),
  repeats AS (
    SELECT s.as_of, s.shopper, 1 - COUNT(*) / SUM(s.trips_all) AS repeat_share, SUM(s.decayed) AS decayed
    FROM {{ ref("shopper_product_statistics") }} AS s
    WHERE {{ learnt_from("s", 0.4) }}
    GROUP BY s.as_of, s.shopper
  ),
  popular AS (
    SELECT
      p.as_of, p.product, p.category, p.department, p.brand, p.trips_14, p.trips_28, p.trips_91, p.share_14, p.share_28,
      p.repeat_rate, p.mean_price, f.first_purchases_14, f.first_purchases_28,
      f.age, f.buyers / n.shoppers AS reach,
      f.first_purchases_28 / NULLIF(n.shoppers - f.buyers + f.first_purchases_28, 0) AS hazard_28,
      f.first_purchases_14 / NULLIF(n.shoppers - f.buyers + f.first_purchases_14, 0) AS hazard_14,
      p.trips_28 / NULLIF(c.trips_28, 0) AS share_of_category,
      ROW_NUMBER() OVER (PARTITION BY p.as_of, p.category ORDER BY f.first_purchases_28 DESC, p.product) AS place_in_category,
      ROW_NUMBER() OVER (PARTITION BY p.as_of ORDER BY f.first_purchases_28 DESC, p.product) AS place,
      ROW_NUMBER() OVER (PARTITION BY p.as_of ORDER BY p.trips_14 DESC, p.product) AS place_14
    FROM {{ ref("product_popularity") }} AS p
    JOIN firsts AS f ON f.as_of = p.as_of AND f.product = p.product
    JOIN everybody AS n ON n.as_of = p.as_of
    LEFT JOIN {{ ref("category_popularity") }} AS c ON c.as_of = p.as_of AND c.category = p.category
    WHERE f.first_purchases_28 > 0
  ),
  candidates AS (
    SELECT k.as_of, k.shopper, p.product
    FROM habits AS k
    JOIN popular AS p ON p.as_of = k.as_of AND p.category = k.category
    WHERE k.place <= 15 AND p.place_in_category <= 15
    UNION DISTINCT
    SELECT h.as_of, h.shopper, p.product
    FROM shoppers AS h
    JOIN popular AS p ON p.as_of = h.as_of
    WHERE p.place <= 60 OR p.place_14 <= 80
  ),
  unknown AS (
    SELECT
      c.as_of, h.purpose, c.shopper, p.product, p.category, p.department, p.brand,
      {{ clientele_columns("p") }},
      p.share_of_category AS clientele_share_of_category,
      p.first_purchases_14 AS clientele_first_purchases_14,
      p.first_purchases_28 AS clientele_first_purchases_28,
      p.reach AS clientele_reach, p.hazard_14 AS clientele_hazard_14, p.hazard_28 AS clientele_hazard_28,
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
      (COALESCE(k.decayed, 0.0) + 2 * p.share_28) / (h.weight + 2) * p.share_of_category AS expected,
      {{ shopper_feature_columns("h") }}
    FROM candidates AS c
    JOIN shoppers AS h ON h.as_of = c.as_of AND h.shopper = c.shopper
    JOIN popular AS p ON p.as_of = c.as_of AND p.product = c.product
    LEFT JOIN habits AS k ON k.as_of = c.as_of AND k.shopper = c.shopper AND k.category = p.category
    JOIN repeats AS a ON a.as_of = c.as_of AND a.shopper = c.shopper
    LEFT JOIN brands AS m ON m.as_of = c.as_of AND m.shopper = c.shopper AND m.brand = p.brand
    LEFT JOIN departments AS q ON q.as_of = c.as_of AND q.shopper = c.shopper AND q.department = p.department
    LEFT JOIN {{ ref("shopper_product_statistics") }} AS o
      ON o.as_of = c.as_of AND o.shopper = c.shopper AND o.product = c.product
    WHERE o.product IS NULL
  )
SELECT
  u.as_of, u.purpose, u.shopper, u.product, u.category, u.department, u.brand,
  u.* EXCEPT (as_of, purpose, shopper, product, category, department, brand),
  IF(u.purpose = 'score' OR n.next_day IS NULL, NULL, IF(t.product IS NULL, 0, 1)) AS target,
  {{ built() }} AS built
FROM unknown AS u
LEFT JOIN {{ ref("targets") }} AS n ON n.as_of = u.as_of AND n.shopper = u.shopper
LEFT JOIN {{ ref("trip_products") }} AS t
  ON t.shopper = n.shopper AND t.day = n.next_day AND t.product = u.product
