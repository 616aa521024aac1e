import java.io.StringReader;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Timestamp;
import java.sql.Types;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.Properties;
import java.util.function.UnaryOperator;
import org.postgresql.PGConnection;
import org.postgresql.util.PGobject;

/** What a developer writes first with JDBC. */
public final class Defaults {
    interface Binder {
        void bind(PreparedStatement statement) throws SQLException;
    }

    // Through a pool in transaction mode the program uses the setting that the lines "two connections" are about.
    private static final boolean POOLED = "transaction".equals(System.getenv("TW_POOL"));
    private static final UnaryOperator<Properties> PLAIN = properties -> properties;
    private static final UnaryOperator<Properties> USUAL = POOLED ? with("prepareThreshold", "0") : PLAIN;

    private static final UnaryOperator<Properties> REWRITE =
        properties -> with("reWriteBatchedInserts", "true").apply(USUAL.apply(properties));

    private final String relation;

    private Defaults(String relation) {
        this.relation = relation;
    }

    static Connection connect(UnaryOperator<Properties> options) throws SQLException {
        Properties properties = new Properties();
        properties.put("user", System.getenv("PGUSER"));
        properties.put("password", System.getenv("PGPASSWORD"));
        return DriverManager.getConnection("jdbc:postgresql://" + System.getenv("PGHOST") + ":"
            + System.getenv("PGPORT") + "/" + System.getenv("PGDATABASE"), options.apply(properties));
    }

    static UnaryOperator<Properties> with(String name, String value) {
        return properties -> {
            properties.put(name, value);
            return properties;
        };
    }

    static PGobject jsonb(String text) throws SQLException {
        PGobject object = new PGobject();
        object.setType("jsonb");
        object.setValue(text);
        return object;
    }

    private void attempt(String name, Report.Default what) {
        Report.attempt(relation + ": " + name, what);
    }

    private String sql(String column, String value) {
        return "INSERT INTO " + relation + " (session_id, user_message" + (column == null ? "" : ", " + column)
            + ") VALUES (?, 'veg pizza'" + (column == null ? "" : ", " + value) + ")";
    }

    /** One row with a value for this column, and its id by getGeneratedKeys(), named as one should. */
    private void column(String name, String column, String value, String sent, Binder binder) {
        String line = sent == null ? "{}" : "{\"" + column + "\": " + sent + "}";
        Report.attempt(relation + ": " + name, line, session -> {
            try (Connection db = connect(USUAL);
                 PreparedStatement insert = db.prepareStatement(sql(column, value), new String[] {"id"})) {
                insert.setString(1, session);
                binder.bind(insert);
                int rows = insert.executeUpdate();
                ResultSet keys = insert.getGeneratedKeys();
                keys.next();
                return new Report.Stored(rows, keys.getLong("id"));
            }
        });
    }

    private void values() {
        String json = "[{\"dish\": \"pizza\"}]";
        String local = "\"2026-03-01 12:30\"";
        LocalDateTime then = LocalDateTime.of(2026, 3, 1, 12, 30);
        column("a fraction of a millisecond", "nlu_processing_time_ms", "?", "12.7", s -> s.setDouble(2, 12.7));
        column("entities by setString()", "nlu_entities", "?", json, s -> s.setString(2, json));
        column("entities by setString(), ?::jsonb", "nlu_entities", "?::jsonb", json, s -> s.setString(2, json));
        column("entities by setObject(String, Types.OTHER)", "nlu_entities", "?", json,
            s -> s.setObject(2, json, Types.OTHER));
        column("entities by PGobject", "nlu_entities", "?", json, s -> s.setObject(2, jsonb(json)));
        column("response_success by setBoolean(false)", "response_success", "?", "false", s -> s.setBoolean(2, false));
        column("created_at by LocalDateTime", "created_at", "?", local, s -> s.setObject(2, then));
        column("created_at by Timestamp", "created_at", "?", local,
            s -> s.setTimestamp(2, Timestamp.valueOf(then)));
        column("created_at by OffsetDateTime", "created_at", "?", "\"2026-03-01T07:00:00Z\"",
            s -> s.setObject(2, OffsetDateTime.of(then, ZoneOffset.ofHoursMinutes(5, 30))));
        column("NULL for what has a default", "message_type", "?", "\"text\"", s -> s.setString(2, null));
        column("an explicit id", "id", "?", null, s -> s.setLong(2, 4711));
        column("id DEFAULT", "id", "DEFAULT", null, s -> { });
    }

    private Report.Stored keys(String session, PreparedStatement insert) throws SQLException {
        insert.setString(1, session);
        int rows = insert.executeUpdate();
        ResultSet keys = insert.getGeneratedKeys();
        return new Report.Stored(rows, keys.next() ? keys.getLong("id") : null);
    }

    private void generatedKeys() {
        attempt("executeUpdate()", session -> {
            try (Connection db = connect(USUAL); PreparedStatement insert = db.prepareStatement(sql(null, null))) {
                insert.setString(1, session);
                return new Report.Stored(insert.executeUpdate(), null);
            }
        });
        attempt("RETURN_GENERATED_KEYS", session -> {
            try (Connection db = connect(USUAL); PreparedStatement insert =
                     db.prepareStatement(sql(null, null), Statement.RETURN_GENERATED_KEYS)) {
                return keys(session, insert);
            }
        });
        attempt("getGeneratedKeys() of the column id", session -> {
            try (Connection db = connect(USUAL); PreparedStatement insert =
                     db.prepareStatement(sql(null, null), new String[] {"id"})) {
                return keys(session, insert);
            }
        });
        attempt("getGeneratedKeys() of id and created_at", session -> {
            try (Connection db = connect(USUAL); PreparedStatement insert =
                     db.prepareStatement(sql(null, null), new String[] {"id", "created_at"})) {
                return keys(session, insert);
            }
        });
        attempt("executeQuery() RETURNING id", session -> {
            try (Connection db = connect(USUAL);
                 PreparedStatement insert = db.prepareStatement(sql(null, null) + " RETURNING id")) {
                insert.setString(1, session);
                ResultSet row = insert.executeQuery();
                row.next();
                return new Report.Stored(1, row.getLong(1));
            }
        });
        attempt("executeUpdate() RETURNING id", session -> {
            try (Connection db = connect(USUAL);
                 PreparedStatement insert = db.prepareStatement(sql(null, null) + " RETURNING id")) {
                insert.setString(1, session);
                return new Report.Stored(insert.executeUpdate(), null);
            }
        });
    }

    private Report.Stored batch(String session, UnaryOperator<Properties> options, String[] keys) throws SQLException {
        try (Connection db = connect(options); PreparedStatement insert = keys == null
                 ? db.prepareStatement(sql(null, null)) : db.prepareStatement(sql(null, null), keys)) {
            for (int number = 0; number < 20; number++) {
                insert.setString(1, session);
                insert.addBatch();
            }
            int[] counts = insert.executeBatch();
            ResultSet found = insert.getGeneratedKeys();
            return new Report.Stored(counts.length, keys != null && found.next() ? found.getLong("id") : null);
        }
    }

    private void many() {
        String[] id = {"id"};
        attempt("addBatch()", session -> batch(session, USUAL, null));
        attempt("addBatch(), keys", session -> batch(session, USUAL, id));
        attempt("addBatch(), reWriteBatchedInserts",
            session -> batch(session, REWRITE, null));
        attempt("addBatch(), reWriteBatchedInserts, keys",
            session -> batch(session, REWRITE, id));
        attempt("CopyManager", session -> {
            try (Connection db = connect(USUAL)) {
                return new Report.Stored(db.unwrap(PGConnection.class).getCopyAPI().copyIn(
                    "COPY " + relation + " (session_id, user_message) FROM STDIN",
                    new StringReader((session + "\tpizza\n").repeat(20))), null);
            }
        });
        attempt("rollback()", session -> {
            try (Connection db = connect(USUAL)) {
                db.setAutoCommit(false);
                try (PreparedStatement insert = db.prepareStatement(sql(null, null))) {
                    insert.setString(1, session);
                    insert.executeUpdate();
                }
                db.rollback();
                return new Report.Stored(0, null);
            }
        });
    }

    private Report.Stored afterwards(String session, String sql) throws SQLException {
        try (Connection db = connect(USUAL);
             PreparedStatement insert = db.prepareStatement(sql(null, null), new String[] {"id"});
             PreparedStatement then = db.prepareStatement(sql)) {
            Report.Stored stored = keys(session, insert);
            then.setLong(1, stored.id());
            then.execute();
            return stored;
        }
    }

    private Report.Stored two(String session, UnaryOperator<Properties> options) throws SQLException {
        try (Connection db = connect(USUAL); Statement clean = db.createStatement()) {
            clean.execute("DEALLOCATE ALL");                    // what others left prepared in a pool's connection
        }
        try (Connection one = connect(options); Connection other = connect(options);
             PreparedStatement first = one.prepareStatement(sql(null, null) + " RETURNING id");
             PreparedStatement second = other.prepareStatement(sql(null, null) + " RETURNING id")) {
            long id = 0;
            for (int number = 0; number < 10; number++)
                for (PreparedStatement insert : new PreparedStatement[] {first, second}) {
                    insert.setString(1, session);
                    ResultSet row = insert.executeQuery();
                    row.next();
                    id = row.getLong(1);
                }
            return new Report.Stored(20, id);
        }
    }

    private void others() {
        attempt("SELECT afterwards", session ->
            afterwards(session, "SELECT session_id FROM " + relation + " WHERE id = ?"));
        attempt("UPDATE with the response", session ->
            afterwards(session, "UPDATE " + relation + " SET response_text = 'yes' WHERE id = ?"));
        attempt("two connections", session -> two(session, PLAIN));
        attempt("two connections, prepareThreshold=0", session -> two(session, with("prepareThreshold", "0")));
        attempt("two connections, preferQueryMode=simple", session -> two(session, with("preferQueryMode", "simple")));
    }

    /** The functions as a statement that changes something is called, and as a query. */
    private static void functions(boolean update) {
        String how = update ? "executeUpdate()" : "executeQuery()";
        Report.attempt("record_response() and record_feedback() by " + how,
            "{\"response_success\": false, \"user_feedback\": \"negative\"}", session -> {
            try (Connection db = connect(USUAL);
                 PreparedStatement insert = db.prepareStatement("INSERT INTO conversation_logs (session_id, "
                     + "user_message) VALUES (?, 'veg pizza')", new String[] {"id"});
                 PreparedStatement response = db.prepareStatement("SELECT record_response(?, ?, 'yes', false)");
                 PreparedStatement feedback = db.prepareStatement("SELECT record_feedback(?, ?, 'negative')")) {
                Report.Stored stored = new Defaults("").keys(session, insert);
                for (PreparedStatement call : new PreparedStatement[] {response, feedback}) {
                    call.setLong(1, stored.id());
                    call.setString(2, session);
                    if (update) {
                        call.executeUpdate();
                    } else {
                        ResultSet row = call.executeQuery();
                        row.next();
                        if (row.getLong(1) != stored.id())
                            throw new AssertionError("a function returned '" + row.getString(1) + "'");
                    }
                }
                return stored;
            }
        });
    }

    public static void main(String[] arguments) {
        for (String relation : new String[] {"conversation_capture", "conversation_logs"}) {
            Defaults defaults = new Defaults(relation);
            defaults.values();
            defaults.generatedKeys();
            defaults.many();
            defaults.others();
        }
        functions(false);
        functions(true);
    }
}
