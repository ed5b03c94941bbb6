{{ config(cluster_by=["shopper", "product"]) }}
-- Of each shopper the products of which most is left in memory: what was not bought for dozens of trips is hardly ever
-- bought on the next, and would be nine rows of ten. README.md says what that costs.
WITH
  own AS (
    SELECT s.*, SUM(s.decayed) OVER (PARTITION BY s.as_of, s.shopper, s.category) AS category_products_decayed
    FROM {{ ref("shopper_product_statistics") }} AS s
    WHERE {{ learnt_from("s") }}
    QUALIFY ROW_NUMBER() OVER (PARTITION BY s.as_of, s.shopper ORDER BY s.decayed DESC, s.product)
      <= {{ var("products_considered") }}
  ),
  -- By trip instead of by day, and two shorter memories.
  rhythms AS (
    SELECT
      o.as_of, o.shopper, o.product,
      SUM(POW(0.5, b.trips_back / 3)) AS decayed_3,
      SUM(POW(0.5, DATE_DIFF(o.as_of, b.day, DAY) / 30)) AS decayed_30_days,
      DATE_DIFF(o.as_of, MIN(b.day), DAY) AS first_day_age,
      MAX(b.trips_back) AS first_trips_back,
      (MAX(b.trips_back) - MIN(b.trips_back)) / NULLIF(COUNT(*) - 1, 0) AS mean_gap_trips,
      AVG(t.quantity) AS quantity_mean
    FROM {{ ref("trips_before") }} AS b
    JOIN {{ ref("trip_products") }} AS t ON t.shopper = b.shopper AND t.day = b.day
    JOIN own AS o ON o.as_of = b.as_of AND o.shopper = t.shopper AND o.product = t.product
    WHERE {{ learnt_from("b") }}
    GROUP BY o.as_of, o.shopper, o.product
  ),
  -- How a product is bought again, by all who may be counted: purchases after the first, against the days since it.
  habits AS (
    SELECT
      s.as_of, s.product,
      SUM(s.trips_all - 1) / SUM({{ first_age("s") }}) AS rebuy_rate,
      AVG(s.mean_gap_days) AS gap_days
    FROM {{ ref("shopper_product_statistics") }} AS s
    JOIN {{ ref("consenting_shoppers") }} AS c ON c.shopper = s.shopper
    WHERE c.measured
    GROUP BY s.as_of, s.product
  )
SELECT
  o.as_of, o.purpose, o.shopper, o.product, o.category, o.department, o.brand,
  {{ bought_features("o") }},
  r.decayed_3, r.decayed_30_days, r.first_day_age, r.first_trips_back, r.mean_gap_trips,
  o.trips_since_last / r.mean_gap_trips AS trips_over_gap,
  r.quantity_mean,
  o.trips_all / (r.first_trips_back + 1) AS rate,
  o.decayed / h.weight AS share_of_trips,
  o.decayed / o.category_products_decayed AS share_of_category,
  {{ shopper_feature_columns("h") }},
  {%- for column in ["trips_28", "trips_91", "trips_all", "in_last_5", "decayed", "days_since_last", "trips_since_last", "mean_gap_days", "recency_over_gap"] %}
  k.{{ column }} AS category_{{ column }},
  {%- endfor %}
  {{ clientele_columns("p") }},
  b.rebuy_rate AS clientele_rebuy_rate,
  o.days_since_last / b.gap_days AS recency_over_clientele_gap,
  IF(o.purpose = 'score' OR n.next_day IS NULL, NULL, IF(t.product IS NULL, 0, 1)) AS target,
  {{ built() }} AS built
FROM own AS o
JOIN rhythms AS r
  ON r.as_of = o.as_of AND r.shopper = o.shopper AND r.product = o.product
JOIN {{ ref("shopper_statistics") }} AS h ON h.as_of = o.as_of AND h.shopper = o.shopper
LEFT JOIN {{ ref("shopper_category_statistics") }} AS k
  ON k.as_of = o.as_of AND k.shopper = o.shopper AND k.category = o.category
LEFT JOIN {{ ref("product_popularity") }} AS p ON p.as_of = o.as_of AND p.product = o.product
LEFT JOIN habits AS b ON b.as_of = o.as_of AND b.product = o.product
LEFT JOIN {{ ref("targets") }} AS n ON n.as_of = o.as_of AND n.shopper = o.shopper
LEFT JOIN {{ ref("trip_products") }} AS t
  ON t.shopper = n.shopper AND t.day = n.next_day AND t.product = o.product
