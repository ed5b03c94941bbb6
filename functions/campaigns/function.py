"""Declaration: the marketer's endpoint."""

from layers.declarations import Access, Documents, Function, Http, LegalBasis, Scale

FUNCTION = Function(
    name="campaigns",
    purpose="Keeps, publishes, pauses and ends campaigns, and tells what their budgets have left.",
    trigger=Http(
        public=False,
        paths=(
            "/v1/campaigns",
            "/v1/campaigns/{id}",
            "/v1/campaigns/{id}/publish",
            "/v1/campaigns/{id}/pause",
            "/v1/campaigns/{id}/resume",
            "/v1/campaigns/{id}/end",
            "/v1/campaigns/{id}/report",
        ),
        callers="marketing",
    ),
    needs=(Documents(Access.WRITE),),
    scale=Scale(max_instances=3, concurrency=20, timeout_s=60),
    # It reads no shopper; but whoever may use the database could.
    bases=(LegalBasis.INTEREST,),
)
