import java.sql.SQLException;

/**
 * One line of JSON for each default that is tried; see check.sh. A default is a function of its session; it returns how
 * many rows it believes to have stored, and the id of one of them (null where the client learns none).
 */
final class Report {
    record Stored(long rows, Long id) { }

    interface Default {
        Stored run(String session) throws Exception;
    }

    private Report() { }

    private static String quoted(String text) {
        if (text == null)
            return "null";
        StringBuilder result = new StringBuilder("\"");
        for (char letter : text.toCharArray()) {
            if (letter == '"' || letter == '\\')
                result.append('\\').append(letter);
            else if (letter < ' ')
                result.append(' ');
            else
                result.append(letter);
        }
        return result.append('"').toString();
    }

    static void attempt(String name, Default what) {
        attempt(name, "{}", what);
    }

    /** With the JSON of what is to stand in columns of the newest row of the session. */
    static void attempt(String name, String sent, Default what) {
        Stored stored = new Stored(0, null);
        String error = null;
        try {
            stored = what.run(name);
        } catch (Exception | AssertionError thrown) {           // whatever a client throws is its outcome
            String state = thrown instanceof SQLException sql ? sql.getSQLState() + " | " : "";
            error = thrown.getClass().getSimpleName() + ": " + state + thrown.getMessage();
            if (thrown instanceof SQLException sql && sql.getNextException() != null)
                error += " | " + sql.getNextException().getMessage();
        }
        System.out.println("{\"default\": " + quoted(name) + ", \"session\": " + quoted(name) + ", \"rows\": "
            + stored.rows() + ", \"id\": " + stored.id() + ", \"error\": " + quoted(error)
            + ", \"sent\": " + sent + "}");
    }
}
