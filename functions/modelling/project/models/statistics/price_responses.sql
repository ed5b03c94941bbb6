-- Sums for `layers/offers/elasticity.py`: how the trips with a product of a week go with its price of that week, each
-- logarithm from its product's mean. Trips and not pieces: a scale's grams and a till's pieces do not add up. Trips are
-- taken as a share of all of that week, so that Christmas is no price response. Only of the day of the run.
WITH
  weekly AS (
    SELECT
      a.as_of, a.purpose, t.product, t.category,
      CAST(FLOOR((DATE_DIFF(a.as_of, t.day, DAY) - 1) / 7) AS INT64) AS week,
      COUNT(*) AS trips,
      AVG(t.price) AS price
    FROM {{ ref("trip_products") }} AS t
    JOIN {{ ref("as_of_days") }} AS a ON t.day < a.as_of
    WHERE t.measured AND t.price > 0 AND t.category IS NOT NULL AND a.purpose = 'score'
    GROUP BY a.as_of, a.purpose, t.product, t.category, week
  ),
  totals AS (
    SELECT w.as_of, w.week, SUM(w.trips) AS trips FROM weekly AS w GROUP BY w.as_of, w.week
  ),
  -- A week without a sale has no price and no logarithm, and is likeliest where the price was high: of what is sold in
  -- some weeks only, elasticities came out at two thirds. So only products count that are sold in nearly all.
  steady AS (
    SELECT w.as_of, w.product
    FROM weekly AS w
    GROUP BY w.as_of, w.product
    HAVING COUNT(*) >= 20 AND COUNT(*) * 4 >= (MAX(w.week) + 1) * 3
  ),
  logs AS (
    SELECT
      w.as_of, w.purpose, w.product, w.category, LN(w.price) AS x, LN(w.trips / n.trips) AS y
    FROM weekly AS w
    JOIN steady AS s ON s.as_of = w.as_of AND s.product = w.product
    JOIN totals AS n ON n.as_of = w.as_of AND n.week = w.week
  ),
  centred AS (
    SELECT
      l.as_of, l.purpose, l.product, l.category,
      l.x - AVG(l.x) OVER (PARTITION BY l.as_of, l.product) AS x,
      l.y - AVG(l.y) OVER (PARTITION BY l.as_of, l.product) AS y
    FROM logs AS l
  )
SELECT
  c.as_of, c.purpose, c.category,
  COUNT(*) AS product_weeks,
  COUNT(DISTINCT c.product) AS products,
  SUM(c.x * c.x) AS sxx,
  SUM(c.x * c.y) AS sxy,
  SUM(c.y * c.y) AS syy
FROM centred AS c
GROUP BY c.as_of, c.purpose, c.category
