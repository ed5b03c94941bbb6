{{ config(cluster_by=["shopper", "product"]) }}
-- Of each shopper the products of which most is left in memory: what was not bought for dozens of trips is hardly ever
-- bought on the next, and would be nine rows of ten. README.md says what that costs.
WITH
  own AS (
    SELECT
      s.*,
      SUM(s.decayed) OVER (PARTITION BY s.as_of, s.shopper, s.category) AS category_products_decayed,
      MAX(s.decayed) OVER (PARTITION BY s.as_of, s.shopper) AS most_decayed,
      ROW_NUMBER() OVER (PARTITION BY s.as_of, s.shopper ORDER BY s.decayed DESC, s.product) AS place,
      ROW_NUMBER() OVER (PARTITION BY s.as_of, s.shopper, s.category ORDER BY s.decayed DESC, s.product)
        AS category_place,
      1 - COUNT(*) OVER (PARTITION BY s.as_of, s.shopper) / SUM(s.trips_all) OVER (PARTITION BY s.as_of, s.shopper)
        AS repeat_share
    FROM {{ ref("shopper_product_statistics") }} AS s
    WHERE {{ learnt_from("s") }}
    QUALIFY ROW_NUMBER() OVER (PARTITION BY s.as_of, s.shopper ORDER BY s.decayed DESC, s.product)
      <= IF(s.purpose = 'score', {{ var("products_considered") }}, {{ var("products_learnt") }})
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
      AVG(t.quantity) AS quantity_mean,
      MAX_BY(t.quantity, b.day) AS quantity_last,
      -- A basket of one counts as much as a basket of thirty: what small baskets are made of.
      SUM(POW(0.5, b.trips_back / {{ var("half_life") }}) / b.lines) AS decayed_per_line,
      SUM(POW(0.5, b.trips_back / {{ var("half_life") }}) / SQRT(b.lines)) AS decayed_per_root_line,
      AVG(b.lines) AS lines_with,
      MIN(b.lines) AS lines_least,
      STDDEV_SAMP(b.trips_back) AS sd_trips_back,
      SUM(IF(b.trips_back < 8, POW(2, 7 - b.trips_back), 0.0)) AS last_8_trips
    FROM {{ ref("trips_before") }} AS b
    JOIN {{ ref("trip_products") }} AS t ON t.shopper = b.shopper AND t.day = b.day
    JOIN own AS o ON o.as_of = b.as_of AND o.shopper = t.shopper AND o.product = t.product
    WHERE {{ learnt_from("b") }}
    GROUP BY o.as_of, o.shopper, o.product
  ),
  baskets AS (
    SELECT
      b.as_of, b.shopper,
      MAX(IF(b.trips_back = 0, b.lines, NULL)) AS last_lines,
      AVG(IF(b.trips_back < 5, b.lines, NULL)) AS lines_mean_last_5,
      STDDEV_SAMP(b.lines) AS sd_lines
    FROM {{ ref("trips_before") }} AS b
    WHERE b.personal AND {{ learnt_from("b") }}
    GROUP BY b.as_of, b.shopper
  ),
  -- What is on offer shows in what everybody paid lately. A day meets purchases here without a shopper's trips between,
  -- so the condition on the day stands here too.
  offers AS (
    SELECT
      d.as_of, t.product,
      COUNTIF({{ days_back("t", "d") }} <= 7) AS trips_7,
      SUM(IF({{ days_back("t", "d") }} <= 7, t.discount, 0.0))
        / NULLIF(SUM(IF({{ days_back("t", "d") }} <= 7, t.discount + t.paid, 0.0)), 0) AS discount_share_7,
      SUM(t.discount) / NULLIF(SUM(t.discount + t.paid), 0) AS discount_share_28,
      AVG(IF({{ days_back("t", "d") }} <= 7, t.price, NULL)) AS price_7
    FROM {{ ref("as_of_days") }} AS d
    JOIN {{ ref("trip_products") }} AS t ON t.day < d.as_of AND t.day >= DATE_SUB(d.as_of, INTERVAL 28 DAY)
    WHERE t.measured
    GROUP BY d.as_of, t.product
  ),
  -- How a product is bought again, by all who may be counted: purchases after the first, against the days since it.
  habits AS (
    SELECT
      s.as_of, s.product,
      SUM(s.trips_all - 1) / SUM({{ first_age("s") }}) AS rebuy_rate,
      AVG(s.mean_gap_days) AS gap_days,
      SUM(s.decayed * s.decayed) / SUM(s.decayed) AS habit
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
  o.place, o.category_place,
  ROW_NUMBER() OVER (PARTITION BY o.as_of, o.shopper ORDER BY r.decayed_30_days DESC, o.product) AS place_30_days,
  o.repeat_share AS shopper_repeat_share,
  o.decayed / o.most_decayed AS share_of_most,
  r.quantity_last / NULLIF(r.quantity_mean, 0) AS quantity_last_over_mean,
  r.decayed_per_line, r.decayed_per_root_line, r.decayed_per_line / h.weight AS share_of_baskets,
  r.lines_with, r.lines_least,
  r.lines_with / h.lines_mean AS lines_with_over_mean,
  r.sd_trips_back, r.last_8_trips,
  l.last_lines AS shopper_last_lines, l.lines_mean_last_5 AS shopper_lines_mean_last_5, l.sd_lines AS shopper_sd_lines,
  {{ clientele_columns("p") }},
  COALESCE(f.trips_7, 0) AS clientele_trips_7, f.discount_share_7 AS clientele_discount_share_7,
  f.discount_share_28 AS clientele_discount_share_28, f.price_7 / o.usual_price AS price_now,
  b.rebuy_rate AS clientele_rebuy_rate, b.habit AS clientele_habit,
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
LEFT JOIN baskets AS l ON l.as_of = o.as_of AND l.shopper = o.shopper
LEFT JOIN offers AS f ON f.as_of = o.as_of AND f.product = o.product
LEFT JOIN habits AS b ON b.as_of = o.as_of AND b.product = o.product
LEFT JOIN {{ ref("targets") }} AS n ON n.as_of = o.as_of AND n.shopper = o.shopper
LEFT JOIN {{ ref("trip_products") }} AS t
  ON t.shopper = n.shopper AND t.day = n.next_day AND t.product = o.product
