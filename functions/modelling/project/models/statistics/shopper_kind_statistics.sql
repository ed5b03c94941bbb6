{{ config(cluster_by=["shopper", "kind"]) }}
-- From what is known of products, so that no trip is read again: two products of a kind on one trip count twice.
WITH
  kinds AS (
    SELECT c.product, COALESCE(c.type, c.category) AS kind FROM {{ ref("catalogue") }} AS c
  ),
  known AS (
    SELECT
      s.as_of, s.purpose, s.shopper, i.kind,
      COUNT(*) AS distinct_products,
      CAST(SUM(s.trips_91) AS INT64) AS trips_91,
      MIN(s.days_since_last) AS days_since_last,
      SUM(s.decayed) AS decayed,
      SUM(POW(0.5, {{ first_age("s") }} / 60)) AS tried
    FROM {{ ref("shopper_product_statistics") }} AS s
    JOIN kinds AS i ON i.product = s.product
    WHERE i.kind IS NOT NULL
    GROUP BY s.as_of, s.purpose, s.shopper, i.kind
  )
SELECT
  k.as_of, k.purpose, k.shopper, k.kind, k.distinct_products, k.trips_91, k.days_since_last, k.decayed, k.tried,
  LEAST(k.decayed / h.weight, 1.0) AS taste,
  {{ built() }} AS built
FROM known AS k
JOIN {{ ref("shopper_statistics") }} AS h ON h.as_of = k.as_of AND h.shopper = k.shopper
