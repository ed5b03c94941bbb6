-- One row for each shopper who may be personalised: how likely each product and category is in the next basket, and what
-- an order usually comes to. README.md says the formula and its source.
--
-- Runs as it stands in BigQuery and in the laptop's emulator. {dataset} and {shard} (a condition on `o.shopper`: whose
-- parameters are wanted) are put in by the function, since they cannot be parameters; everything else is bound:
--   now        events from here on do not count, so a repeated run sees what the first one saw
--   oldest     nor events that the contract has expired
--   timezone   of the retailer's day
--   lately     from here on trips are counted apart: the start of the retailer's day four weeks before
--   unknown_consent   whether a shopper of whom no consent is known agrees: to be personalised, and to be measured
--   excluded   departments that are no products
--   half_life  trips after which a purchase weighs half
--   prior      how many trips' weight the whole clientele has beside a shopper's own
--   window     days of the clientele's trips that make it up
--   recent     purchases whose median is a product's usual price
--   products, categories   how many of each a shopper gets at most
WITH
  -- The newest known, also after the moment of the run: repeated, it must not score who has withdrawn since.
  consent AS (
    SELECT c.shopper, c.personalisation, c.measurement
    FROM `{dataset}.consents` AS c
    WHERE TRUE
    QUALIFY ROW_NUMBER() OVER (PARTITION BY c.shopper ORDER BY UNIX_MILLIS(c.`at`) DESC, c.event_id DESC) = 1
  ),
  -- `personal`: gets a row. `measured`: counts in what the whole clientele does. Who agreed to neither is read no further.
  orders AS (
    SELECT n.shopper, n.day, n.total, n.lately, n.personal, n.measured
    FROM (
      SELECT
        o.shopper, DATE(o.`at`, @timezone) AS day, CAST(o.total AS FLOAT64) AS total,
        o.`at` >= @lately AS lately,
        COALESCE(c.personalisation, @unknown_consent) AND {shard} AS personal,
        COALESCE(c.measurement, @unknown_consent) AS measured
      FROM `{dataset}.orders` AS o
      LEFT JOIN consent AS c ON c.shopper = o.shopper
      WHERE o.`at` >= @oldest AND o.`at` < @now
    ) AS n
    WHERE n.personal OR n.measured
  ),
  -- A trip is a day on which the shopper bought: an order and what was forgotten in it belong together.
  trips AS (
    SELECT
      d.shopper, d.day, d.personal, d.measured,
      POW(0.5, (ROW_NUMBER() OVER (PARTITION BY d.shopper ORDER BY d.day DESC) - 1) / @half_life) AS weight
    FROM (SELECT DISTINCT o.shopper, o.day, o.personal, o.measured FROM orders AS o) AS d
  ),
  shoppers AS (
    SELECT t.shopper, SUM(t.weight) AS weight FROM trips AS t WHERE t.personal GROUP BY t.shopper
  ),
  recent_trips AS (
    SELECT t.shopper, t.day
    FROM trips AS t
    CROSS JOIN (SELECT MAX(n.day) AS day FROM trips AS n WHERE n.measured) AS newest
    WHERE t.measured AND t.day > DATE_SUB(newest.day, INTERVAL @window DAY)
  ),
  recent_count AS (
    SELECT COUNT(*) AS trips FROM recent_trips
  ),
  lines AS (
    SELECT
      l.shopper, l.product, p.category, p.brand, t.day, t.weight, t.measured, l.`at`,
      CAST(l.paid AS FLOAT64) AS paid,
      CAST(l.quantity AS FLOAT64) AS quantity,
      CAST(COALESCE(l.discount, 0) AS FLOAT64) AS discount
    FROM `{dataset}.order_lines` AS l
    JOIN trips AS t ON t.shopper = l.shopper AND t.day = DATE(l.`at`, @timezone)
    LEFT JOIN `{dataset}.products` AS p ON p.product = l.product
    WHERE l.`at` >= @oldest AND l.`at` < @now AND COALESCE(p.department, '') NOT IN UNNEST(@excluded)
  ),

  -- Products.
  bought AS (
    SELECT l.shopper, l.product, l.day, ANY_VALUE(l.weight) AS weight
    FROM lines AS l
    GROUP BY l.shopper, l.product, l.day
  ),
  own AS (
    SELECT b.shopper, b.product, SUM(b.weight) AS weight FROM bought AS b GROUP BY b.shopper, b.product
  ),
  popular AS (
    SELECT b.product, COUNT(*) / ANY_VALUE(n.trips) AS share
    FROM bought AS b
    JOIN recent_trips AS r ON r.shopper = b.shopper AND r.day = b.day
    CROSS JOIN recent_count AS n
    GROUP BY b.product
  ),
  tail AS (
    SELECT p.product, p.share FROM popular AS p
    WHERE TRUE
    QUALIFY ROW_NUMBER() OVER (ORDER BY p.share DESC, p.product) <= @products
  ),
  candidates AS (
    SELECT c.shopper, c.product, MAX(c.weight) AS weight
    FROM (
      SELECT o.shopper, o.product, o.weight FROM own AS o
      UNION ALL
      SELECT s.shopper, t.product, 0.0 AS weight FROM shoppers AS s CROSS JOIN tail AS t
    ) AS c
    GROUP BY c.shopper, c.product
  ),
  predicted AS (
    SELECT
      c.shopper, c.product,
      ROUND((c.weight + @prior * COALESCE(p.share, 0)) / (s.weight + @prior), 6) AS probability
    FROM candidates AS c
    JOIN shoppers AS s ON s.shopper = c.shopper
    LEFT JOIN popular AS p ON p.product = c.product
  ),
  likely AS (
    SELECT p.shopper, p.product, p.probability
    FROM predicted AS p
    WHERE TRUE
    QUALIFY ROW_NUMBER() OVER (PARTITION BY p.shopper ORDER BY p.probability DESC, p.product) <= @products
  ),

  -- Usual unit prices: the median of the shopper's last purchases, else of the clientele's. Medians are places in an
  -- order, because the emulator's APPROX_QUANTILES(…)[OFFSET(1)] gives what stands at 2. Nor is its DIV(n + 1, 2) ours:
  -- it forgets the parentheses.
  own_prices AS (
    SELECT l.shopper, l.product, l.paid / l.quantity AS price
    FROM lines AS l
    JOIN likely AS k ON k.shopper = l.shopper AND k.product = l.product
    WHERE l.quantity > 0 AND l.paid > 0
    QUALIFY ROW_NUMBER() OVER (PARTITION BY l.shopper, l.product ORDER BY l.`at` DESC, l.paid) <= @recent
  ),
  own_price AS (
    SELECT r.shopper, r.product, r.price
    FROM (
      SELECT
        q.shopper, q.product, q.price,
        ROW_NUMBER() OVER (PARTITION BY q.shopper, q.product ORDER BY q.price) AS place,
        COUNT(*) OVER (PARTITION BY q.shopper, q.product) AS many
      FROM own_prices AS q
    ) AS r
    WHERE r.place = CEIL(r.many / 2)
  ),
  usual_price AS (
    SELECT r.product, r.price
    FROM (
      SELECT
        l.product, l.paid / l.quantity AS price,
        ROW_NUMBER() OVER (PARTITION BY l.product ORDER BY l.paid / l.quantity) AS place,
        COUNT(*) OVER (PARTITION BY l.product) AS many
      FROM lines AS l
      JOIN (SELECT DISTINCT k.product FROM likely AS k) AS t ON t.product = l.product
      WHERE l.measured AND l.quantity > 0 AND l.paid > 0
    ) AS r
    WHERE r.place = CEIL(r.many / 2)
  ),
  products AS (
    SELECT
      k.shopper,
      ARRAY_AGG(
        STRUCT(
          k.product AS id,
          k.probability AS probability,
          COALESCE(o.price, u.price) AS price,
          p.category AS category,
          p.department AS department,
          p.brand AS brand
        )
        ORDER BY k.probability DESC, k.product
      ) AS products
    FROM likely AS k
    LEFT JOIN own_price AS o ON o.shopper = k.shopper AND o.product = k.product
    LEFT JOIN usual_price AS u ON u.product = k.product
    LEFT JOIN `{dataset}.products` AS p ON p.product = k.product
    GROUP BY k.shopper
  ),

  -- Categories, by the same formula.
  category_days AS (
    SELECT l.shopper, l.category, l.day, ANY_VALUE(l.weight) AS weight
    FROM lines AS l
    WHERE l.category IS NOT NULL
    GROUP BY l.shopper, l.category, l.day
  ),
  popular_categories AS (
    SELECT d.category, COUNT(*) / ANY_VALUE(n.trips) AS share
    FROM category_days AS d
    JOIN recent_trips AS r ON r.shopper = d.shopper AND r.day = d.day
    CROSS JOIN recent_count AS n
    GROUP BY d.category
  ),
  predicted_categories AS (
    SELECT
      d.shopper, d.category,
      ROUND((SUM(d.weight) + @prior * COALESCE(ANY_VALUE(p.share), 0)) / (ANY_VALUE(s.weight) + @prior), 6) AS probability
    FROM category_days AS d
    JOIN shoppers AS s ON s.shopper = d.shopper
    LEFT JOIN popular_categories AS p ON p.category = d.category
    GROUP BY d.shopper, d.category
  ),
  likely_categories AS (
    SELECT p.shopper, p.category, p.probability
    FROM predicted_categories AS p
    WHERE TRUE
    QUALIFY ROW_NUMBER() OVER (PARTITION BY p.shopper ORDER BY p.probability DESC, p.category) <= @categories
  ),
  categories AS (
    SELECT
      c.shopper,
      ARRAY_AGG(
        STRUCT(c.category AS name, c.probability AS probability)
        ORDER BY c.probability DESC, c.category
      ) AS categories
    FROM likely_categories AS c
    GROUP BY c.shopper
  ),

  -- Baskets.
  baskets AS (
    SELECT
      r.shopper,
      COUNT(*) AS orders,
      COUNT(DISTINCT IF(r.lately, r.day, NULL)) AS trips_28,
      MAX(IF(r.place = CEIL(r.many / 10), r.total, NULL)) AS q10,
      MAX(IF(r.place = CEIL(r.many / 4), r.total, NULL)) AS q25,
      MAX(IF(r.place = CEIL(r.many / 2), r.total, NULL)) AS usual,
      MAX(IF(r.place = CEIL(r.many * 3 / 5), r.total, NULL)) AS stretch,
      MAX(IF(r.place = CEIL(r.many * 3 / 4), r.total, NULL)) AS q75,
      MAX(IF(r.place = CEIL(r.many * 9 / 10), r.total, NULL)) AS q90
    FROM (
      SELECT
        o.shopper, o.day, o.total, o.lately,
        ROW_NUMBER() OVER (PARTITION BY o.shopper ORDER BY o.total) AS place,
        COUNT(*) OVER (PARTITION BY o.shopper) AS many
      FROM orders AS o
    ) AS r
    GROUP BY r.shopper
  ),
  discounts AS (
    SELECT l.shopper, SUM(l.discount) AS discount, SUM(l.paid) AS paid FROM lines AS l GROUP BY l.shopper
  )
SELECT
  s.shopper, b.orders, b.trips_28, b.q10, b.q25, b.usual, b.stretch, b.q75, b.q90, d.discount, d.paid,
  -- As text, because rows of nested structs cost the client and the emulator thirty times as much.
  TO_JSON_STRING(p.products) AS products,
  TO_JSON_STRING(c.categories) AS categories
FROM shoppers AS s
JOIN baskets AS b ON b.shopper = s.shopper
LEFT JOIN discounts AS d ON d.shopper = s.shopper
LEFT JOIN products AS p ON p.shopper = s.shopper
LEFT JOIN categories AS c ON c.shopper = s.shopper
