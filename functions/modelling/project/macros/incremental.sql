{# What has to be computed again of a table by shopper and day: the days of which something arrived lately, and all days
   of shoppers who are not in the table yet, because they are new or agree again.

   «Lately» is counted from what the table already knows, not from now, so a night that was missed loses nothing. A
   message that could not be delivered lies for 31 days, so what is cooled today may have been received that long ago. #}
{% macro touched(facts) %}
SELECT DISTINCT f.shopper, {{ day_of("f.`at`") }} AS day
FROM {{ facts }} AS f
JOIN {{ ref("consenting_shoppers") }} AS c ON c.shopper = f.shopper
WHERE {{ counts("f.`at`") }}
{%- if is_incremental() %}
  AND (
    f.received >= TIMESTAMP_SUB((SELECT MAX(t.received) FROM {{ this }} AS t), INTERVAL 32 DAY)
    OR f.shopper NOT IN (SELECT k.shopper FROM {{ this }} AS k)
  )
{%- endif %}
{% endmacro %}

{# The day from which facts are read: a constant, because BigQuery prunes partitions by nothing else. #}
{% macro touched_since(facts) %}
{%- if execute and is_incremental() -%}
  {%- set found = run_query("SELECT CAST(MIN(n.day) AS STRING) AS day FROM (" ~ touched(facts) ~ ") AS n") -%}
  {%- set day = found.columns[0].values()[0] or var("as_of") -%}
  {#- A local day begins up to 14 hours before that of UTC. #}
  {%- set since = modules.datetime.date.fromisoformat(day) - modules.datetime.timedelta(days=1) -%}
  TIMESTAMP '{{ since.isoformat() }} 00:00:00+00'
{%- else -%}
  TIMESTAMP '{{ var("oldest") }}'
{%- endif -%}
{% endmacro %}

{# After a run, a table by shopper and day forgets who was erased, is inactive or refuses by now, and what the contract
   no longer covers. #}
{% macro forget() %}
DELETE FROM {{ this }} AS t
WHERE t.day <= {{ oldest_day() }}
  OR t.shopper NOT IN (SELECT c.shopper FROM {{ ref("consenting_shoppers") }} AS c)
{% endmacro %}
