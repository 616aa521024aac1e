"""Calls the four functions of a complete program, as a chatbot would, and shows a line for each."""
from report import attempt


def run_complete(answer, thumbs_down, many, order):
    def one(session):
        return 1, answer(session, "veg pizza milega?")[0]

    def feedback(session):
        new_id = answer(session, "nahi")[0]
        thumbs_down(new_id, session, "I meant veg burger")
        return 1, new_id

    def several(session):
        many([(session, f"burger {number}") for number in range(10)])
        return 10, None

    def together(session):
        return 1, order(session, "ek pizza")

    def rolled_back(session):
        try:
            order(session, "ek pizza", fail=True)
        except ValueError:
            return 0, None
        raise AssertionError("the transaction did not fail")

    attempt("complete: one message with its response", one, {
        "response_text": "12 places near you", "response_success": True, "routed_to": "opensearch",
        "nlu_provider": "indicbert", "nlu_entities": [{"dish": "pizza"}], "nlu_processing_time_ms": 12.7})
    attempt("complete: one message with feedback", feedback,
            {"user_feedback": "negative", "user_correction": "I meant veg burger"})
    attempt("complete: many messages", several)
    attempt("complete: in a transaction with an order", together)
    attempt("complete: in a transaction that rolls back", rolled_back)
