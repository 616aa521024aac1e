import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Types;
import java.util.Collections;
import java.util.List;
import java.util.Properties;

/**
 * A chatbot that captures by JDBC, from the variables PG*. The role is of kind capture, and its search_path begins with
 * the extension's schema. A connection serves one thread at a time: a service takes one from its pool for each call.
 */
public final class Complete {
    private static final String INSERT = """
        INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_module_type,
            nlu_provider, nlu_model_version, nlu_entities, nlu_processing_time_ms)
        VALUES (?, ?, ?, ?, ?, 'indicbert', ?, ?::jsonb, ?) RETURNING id""";

    private final Connection db;

    private Complete(Connection db) {
        this.db = db;
    }

    static Connection connect() throws SQLException {
        Properties properties = new Properties();
        properties.put("user", System.getenv("PGUSER"));
        properties.put("password", System.getenv("PGPASSWORD"));
        // A pool in transaction mode (pgbouncer before 1.21) needs this: no prepared statements.
        properties.put("prepareThreshold", "0");
        return DriverManager.getConnection("jdbc:postgresql://" + System.getenv("PGHOST") + ":"
            + System.getenv("PGPORT") + "/" + System.getenv("PGDATABASE"), properties);
    }

    /** Captures one message; returns the conversation's id. */
    long answer(String session, String text) throws SQLException {
        String version;
        try (PreparedStatement assign = db.prepareStatement("SELECT assign_model_version('router', ?)")) {
            assign.setString(1, session);
            ResultSet row = assign.executeQuery();
            row.next();
            version = row.getString(1);
        }
        long id;
        try (PreparedStatement classify = db.prepareStatement(
                 "SELECT intent, confidence, module_type FROM classify_intent(?, 'router', ?)");
             PreparedStatement insert = db.prepareStatement(INSERT)) {
            classify.setString(1, text);
            classify.setString(2, version);
            ResultSet nlu = classify.executeQuery();
            nlu.next();
            insert.setString(1, session);
            insert.setString(2, text);
            // All is NULL while no model is live: the message is captured all the same, and a person labels it.
            insert.setString(3, nlu.getString("intent"));
            insert.setObject(4, nlu.getObject("confidence"), Types.DOUBLE);
            insert.setString(5, nlu.getString("module_type"));
            insert.setString(6, version);
            insert.setString(7, "[{\"dish\": \"pizza\"}]");
            insert.setDouble(8, 12.7);
            ResultSet row = insert.executeQuery();
            row.next();
            id = row.getLong(1);
        }
        String reply = "12 places near you";                    // your own code
        try (PreparedStatement record = db.prepareStatement("SELECT record_response(?, ?, ?, ?, ?)")) {
            record.setLong(1, id);
            record.setString(2, session);
            record.setString(3, reply);
            record.setBoolean(4, true);
            record.setString(5, "opensearch");
            record.executeQuery();
        }
        return id;
    }

    void thumbsDown(long id, String session, String correction) throws SQLException {
        try (PreparedStatement record = db.prepareStatement("SELECT record_feedback(?, ?, 'negative', ?)")) {
            record.setLong(1, id);
            record.setString(2, session);
            record.setString(3, correction);
            record.executeQuery();
        }
    }

    /** Captures many messages of a session by one batch. */
    void many(String session, List<String> messages) throws SQLException {
        try (PreparedStatement insert = db.prepareStatement(
                "INSERT INTO conversation_logs (session_id, user_message, nlu_provider, nlu_entities) "
                + "VALUES (?, ?, 'llm', ?::jsonb)")) {
            for (String text : messages) {
                insert.setString(1, session);
                insert.setString(2, text);
                insert.setString(3, "{\"dish\": \"burger\"}");
                insert.addBatch();
            }
            insert.executeBatch();
        }
    }

    /** The conversation is stored if the order is: both commit or roll back together. */
    long order(String session, String text, boolean fail) throws SQLException {
        db.setAutoCommit(false);
        try (PreparedStatement order = db.prepareStatement(
                "INSERT INTO orders (conversation, note) VALUES (?, 'pizza')")) {
            long id = answer(session, text);
            order.setLong(1, id);
            order.executeUpdate();
            if (fail)
                throw new IllegalStateException("the kitchen is closed");
            db.commit();
            return id;
        } catch (SQLException | RuntimeException thrown) {
            db.rollback();
            throw thrown;
        } finally {
            db.setAutoCommit(true);
        }
    }

    public static void main(String[] arguments) throws SQLException {
        try (Connection db = connect()) {
            Complete chatbot = new Complete(db);
            Report.attempt("complete: one message with its response", """
                {"response_text": "12 places near you", "response_success": true, "routed_to": "opensearch",\
                "nlu_provider": "indicbert", "nlu_entities": [{"dish": "pizza"}], "nlu_processing_time_ms": 12.7}""",
                session -> new Report.Stored(1, chatbot.answer(session, "veg pizza milega?")));
            Report.attempt("complete: one message with feedback",
                "{\"user_feedback\": \"negative\", \"user_correction\": \"I meant veg burger\"}", session -> {
                long id = chatbot.answer(session, "nahi");
                chatbot.thumbsDown(id, session, "I meant veg burger");
                return new Report.Stored(1, id);
            });
            Report.attempt("complete: many messages", session -> {
                chatbot.many(session, Collections.nCopies(10, "burger"));
                return new Report.Stored(10, null);
            });
            Report.attempt("complete: in a transaction with an order",
                session -> new Report.Stored(1, chatbot.order(session, "ek pizza", false)));
            Report.attempt("complete: in a transaction that rolls back", session -> {
                try {
                    chatbot.order(session, "ek pizza", true);
                } catch (IllegalStateException expected) {
                    return new Report.Stored(0, null);
                }
                throw new AssertionError("the transaction did not fail");
            });
        }
    }
}
