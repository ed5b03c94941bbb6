{# What the tables of features share. layers/learning/features.py names these columns; a test compares. #}

{# Which rows a model learns from: those of a stable sample of the shoppers, so that training needs no more memory than it
   was given, however many they are. A pseudonym's last digits are as good as drawn. All of them are scored.

   part: of that sample; where a shopper has hundreds of rows, fewer shoppers suffice. #}
{% macro learnt_from(rows, part=1.0) -%}
({{ rows }}.purpose = 'score' OR SUBSTR({{ rows }}.shopper, 31) <= '{{ "%04x" % ((var("training_share") * part * 65535) | int) }}')
{%- endmacro %}

{% macro bought_features(s) -%}
{%- for column in ["trips_7", "trips_14", "trips_28", "trips_56", "trips_91", "trips_all", "in_last_3", "in_last_5", "in_last_10", "in_last_20", "decayed", "days_since_last", "trips_since_last", "mean_gap_days", "recency_over_gap", "usual_price", "discount_share"] -%}
  {{ s }}.{{ column }}{% if not loop.last %}, {% endif %}
{%- endfor %}
{%- endmacro %}

{% macro shopper_feature_columns(h) -%}
{%- for column in ["trips", "first_day_age", "days_since_last", "mean_gap_days", "recency_over_gap", "trips_28", "trips_91", "lines_mean", "q50", "discount_share", "distinct_products"] -%}
  {{ h }}.{{ column }} AS shopper_{{ column }}{% if not loop.last %}, {% endif %}
{%- endfor %}
{%- endmacro %}

{% macro clientele_columns(p) -%}
  COALESCE({{ p }}.trips_14, 0) AS clientele_trips_14, COALESCE({{ p }}.trips_28, 0) AS clientele_trips_28,
  COALESCE({{ p }}.trips_91, 0) AS clientele_trips_91, COALESCE({{ p }}.share_14, 0.0) AS clientele_share_14,
  {{ p }}.share_14 / NULLIF({{ p }}.share_28, 0) AS clientele_trend,
  {{ p }}.repeat_rate AS clientele_repeat_rate, {{ p }}.mean_price AS clientele_mean_price
{%- endmacro %}

{# Days from the first purchase to `as_of`. #}
{% macro first_age(s) -%}
({{ s }}.days_since_last + COALESCE({{ s }}.mean_gap_days, 0) * ({{ s }}.trips_all - 1))
{%- endmacro %}

{# Two subqueries: how many shoppers are counted as of each day, and their mean taste for each kind of product. #}
{% macro everybody_and_usual_tastes() -%}
everybody AS (
    SELECT b.as_of, COUNT(DISTINCT b.shopper) AS shoppers
    FROM {{ ref("trips_before") }} AS b
    WHERE b.measured
    GROUP BY b.as_of
  ),
  usual_tastes AS (
    SELECT t.as_of, t.kind, SUM(t.taste) / MAX(n.shoppers) AS taste
    FROM {{ ref("shopper_kind_statistics") }} AS t
    JOIN {{ ref("consenting_shoppers") }} AS c ON c.shopper = t.shopper
    JOIN everybody AS n ON n.as_of = t.as_of
    WHERE c.measured
    GROUP BY t.as_of, t.kind
  )
{%- endmacro %}
