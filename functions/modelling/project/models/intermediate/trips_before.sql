-- Every trip as seen from each day that statistics are made for. Here alone a trip meets such a day, so here alone it
-- could be counted too early.
SELECT
  d.as_of, d.purpose, t.shopper, t.day, t.basket_value, t.lines, t.days_since_previous, t.personal, t.measured,
  ROW_NUMBER() OVER (PARTITION BY d.as_of, t.shopper ORDER BY t.day DESC) - 1 AS trips_back
FROM {{ ref("trips") }} AS t
JOIN {{ ref("as_of_days") }} AS d ON t.day < d.as_of
