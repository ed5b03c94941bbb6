{{ config(cluster_by=["shopper", "category"]) }}
SELECT
  b.as_of, b.purpose, b.shopper, t.category,
  COUNTIF(t.discount <= 0) AS lines_full_price,
  COUNTIF(t.discount > 0) AS lines_discounted,
  COUNTIF(t.discount > 0) / COUNT(*) AS discount_share,
  AVG(IF(t.discount > 0, t.discount / (t.discount + t.paid), NULL)) AS mean_depth,
  {{ built() }} AS built
FROM {{ ref("trip_products") }} AS t
JOIN {{ ref("trips_before") }} AS b ON b.shopper = t.shopper AND b.day = t.day
WHERE b.personal AND t.category IS NOT NULL
GROUP BY b.as_of, b.purpose, b.shopper, t.category
