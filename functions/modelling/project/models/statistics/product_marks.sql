{{ config(cluster_by=["product", "kind"]) }}
-- By what a product's buyers of 28 days differ from everybody: of each kind of product, the logarithm of how much more
-- of it they buy, as if ten usual shoppers had bought it besides. The fifty largest differences say nearly all. Of a
-- product with few buyers nothing is told: it would be what those few buy, in a table that is about no shopper.
WITH
  {{ everybody_and_usual_tastes() }},
  buyers AS (
    SELECT s.as_of, s.purpose, s.product, s.shopper, COUNT(*) OVER (PARTITION BY s.as_of, s.product) AS many
    FROM {{ ref("shopper_product_statistics") }} AS s
    JOIN {{ ref("product_appeal") }} AS p ON p.as_of = s.as_of AND p.product = s.product
    JOIN {{ ref("consenting_shoppers") }} AS c ON c.shopper = s.shopper
    WHERE c.measured AND s.trips_28 > 0
  ),
  tastes_of_buyers AS (
    SELECT b.as_of, b.product, t.kind, SUM(t.taste) AS taste
    FROM buyers AS b
    JOIN {{ ref("shopper_kind_statistics") }} AS t ON t.as_of = b.as_of AND t.shopper = b.shopper
    GROUP BY b.as_of, b.product, t.kind
  ),
  many_buyers AS (
    SELECT b.as_of, b.purpose, b.product, MAX(b.many) AS many
    FROM buyers AS b
    WHERE b.many >= {{ var("least_buyers") }}
    GROUP BY b.as_of, b.purpose, b.product
  ),
  differences AS (
    SELECT
      m.as_of, m.purpose, m.product, u.kind, u.taste AS usual,
      LN((COALESCE(b.taste, 0.0) + 10 * u.taste) / ((m.many + 10) * u.taste)) AS difference
    FROM many_buyers AS m
    JOIN usual_tastes AS u ON u.as_of = m.as_of
    LEFT JOIN tastes_of_buyers AS b ON b.as_of = m.as_of AND b.product = m.product AND b.kind = u.kind
    WHERE u.taste >= 0.002
  )
SELECT d.as_of, d.purpose, d.product, d.kind, d.usual, d.difference
FROM differences AS d
QUALIFY ROW_NUMBER() OVER (PARTITION BY d.as_of, d.product ORDER BY ABS(d.difference) DESC, d.kind) <= 50
