{{ config(cluster_by=["product"]) }}
-- What is popular now, and what is new to many now: the mean of their logarithms says more of who will try a product
-- than either. The 1 500 most appealing, so that what is made of them is bounded whatever the assortment.
WITH
  -- How many bought it for the first time lately: what is new to many is new to one more. Against those who had never
  -- bought it, so that what nearly everybody has is not taken for unknown.
  firsts AS (
    SELECT
      s.as_of, s.product, COUNT(*) AS buyers, MAX({{ first_age("s") }}) AS age,
      COUNTIF({{ first_age("s") }} <= 7) AS first_purchases_7,
      COUNTIF({{ first_age("s") }} <= 14) AS first_purchases_14,
      COUNTIF({{ first_age("s") }} <= 28) AS first_purchases_28,
      SUM(POW(0.5, {{ first_age("s") }} / 5)) AS newly
    FROM {{ ref("shopper_product_statistics") }} AS s
    JOIN {{ ref("consenting_shoppers") }} AS c ON c.shopper = s.shopper
    WHERE c.measured
    GROUP BY s.as_of, s.product
  ),
  -- A day meets purchases here without a shopper's trips between, so the condition on the day stands here too.
  lately AS (
    SELECT
      d.as_of, t.product,
      COUNTIF({{ days_back("t", "d") }} <= 7) AS trips_7,
      SUM(POW(0.5, {{ days_back("t", "d") }} / 3)) AS decayed_3_days,
      SUM(POW(0.5, {{ days_back("t", "d") }} / 7)) AS decayed_7_days,
      SUM(IF({{ days_back("t", "d") }} <= 7, t.discount, 0.0))
        / NULLIF(SUM(IF({{ days_back("t", "d") }} <= 7, t.discount + t.paid, 0.0)), 0) AS discount_share_7
    FROM {{ ref("as_of_days") }} AS d
    JOIN {{ ref("trip_products") }} AS t ON t.day < d.as_of AND t.day >= DATE_SUB(d.as_of, INTERVAL 56 DAY)
    WHERE t.measured
    GROUP BY d.as_of, t.product
  ),
  {{ everybody_and_usual_tastes() }},
  known AS (
    SELECT
      p.as_of, p.purpose, p.product, p.category, p.department, p.brand, p.trips_14, p.trips_28, p.trips_91, p.share_14,
      p.share_28, p.repeat_rate, p.mean_price, f.first_purchases_7, f.first_purchases_14, f.first_purchases_28,
      COALESCE(t.type, t.category) AS kind, f.age, f.buyers / n.shoppers AS reach,
      l.trips_7, l.decayed_3_days, l.decayed_7_days, l.discount_share_7,
      f.first_purchases_28 / NULLIF(n.shoppers - f.buyers + f.first_purchases_28, 0) AS hazard_28,
      f.first_purchases_14 / NULLIF(n.shoppers - f.buyers + f.first_purchases_14, 0) AS hazard_14,
      f.newly / (n.shoppers - f.buyers + 1) AS hazard_now,
      -- What is popular now, and what is new to many now: the mean of their logarithms says more than either.
      SQRT((l.decayed_7_days + 0.5) * (f.newly / (n.shoppers - f.buyers + 1) + 0.0001)) AS appeal,
      COALESCE(c.share_28, 0.0) AS category_share, p.trips_28 / NULLIF(c.trips_28, 0) AS share_of_category,
      p.trips_28 / NULLIF(SUM(p.trips_28) OVER (PARTITION BY p.as_of, COALESCE(t.type, t.category)), 0)
        AS share_of_kind,
      f.first_purchases_28 / SUM(f.first_purchases_28) OVER (PARTITION BY p.as_of, p.category)
        AS share_tried_of_category,
      f.first_purchases_28 / SUM(f.first_purchases_28) OVER (PARTITION BY p.as_of, COALESCE(t.type, t.category))
        AS share_tried_of_kind,
      IF(p.mean_price > 0 AND c.mean_price > 0, LN(p.mean_price / c.mean_price), NULL) AS price_level
    FROM {{ ref("product_popularity") }} AS p
    JOIN firsts AS f ON f.as_of = p.as_of AND f.product = p.product
    JOIN everybody AS n ON n.as_of = p.as_of
    JOIN lately AS l ON l.as_of = p.as_of AND l.product = p.product
    LEFT JOIN {{ ref("catalogue") }} AS t ON t.product = p.product
    LEFT JOIN {{ ref("category_popularity") }} AS c ON c.as_of = p.as_of AND c.category = p.category
    WHERE f.first_purchases_28 > 0
  )
SELECT
  k.*,
  COALESCE(u.taste, 0.0) AS kind_taste,
  ROW_NUMBER() OVER (PARTITION BY k.as_of, k.category ORDER BY k.appeal DESC, k.product) AS place_in_category,
  ROW_NUMBER() OVER (PARTITION BY k.as_of ORDER BY k.appeal DESC, k.product) AS place
FROM known AS k
LEFT JOIN usual_tastes AS u ON u.as_of = k.as_of AND u.kind = k.kind
QUALIFY ROW_NUMBER() OVER (PARTITION BY k.as_of ORDER BY k.appeal DESC, k.product) <= 1500
