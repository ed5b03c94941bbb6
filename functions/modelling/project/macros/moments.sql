{# The run's clock. Everything that a model knows of time comes from here. #}

{# The local day of the run, as a DATE. #}
{% macro as_of() %}DATE '{{ var("as_of") }}'{% endmacro %}

{# Whether a column holds a fact that counts at all: within the contract, and before the run's day. The comparisons with
   constants are what BigQuery prunes partitions by; they are wider than the days, since a day is local. A day that the
   contract cuts in two does not count: what is derived of it could not be taken back at the right hour. #}
{% macro counts(at) -%}
{{ at }} >= TIMESTAMP '{{ var("oldest") }}'
  AND {{ at }} < TIMESTAMP '{{ (modules.datetime.date.fromisoformat(var("as_of")) + modules.datetime.timedelta(days=1)).isoformat() }} 00:00:00+00'
  AND {{ day_of(at) }} > {{ oldest_day() }} AND {{ day_of(at) }} < {{ as_of() }}
{%- endmacro %}

{% macro day_of(at) %}DATE({{ at }}, '{{ var("timezone") }}'){% endmacro %}

{% macro oldest_day() %}DATE(TIMESTAMP '{{ var("oldest") }}', '{{ var("timezone") }}'){% endmacro %}

{# A trip of the last so many days before its `as_of`. #}
{% macro within(days, trip) %}{{ trip }}.day >= DATE_SUB({{ trip }}.as_of, INTERVAL {{ days }} DAY){% endmacro %}

{# How many days before `as_of` something was: 1 the day before. #}
{% macro days_back(fact, moment) %}DATE_DIFF({{ moment }}.as_of, {{ fact }}.day, DAY){% endmacro %}

{# The run's moment, which every renewed table of shoppers carries: erasure and retention go by it. #}
{% macro built() %}TIMESTAMP '{{ var("built") }}'{% endmacro %}
