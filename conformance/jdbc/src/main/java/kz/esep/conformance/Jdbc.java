package kz.esep.conformance;

import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Instant;
import java.time.ZonedDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;

/**
 * Asks the store as a report tool does that speaks JDBC: log in, look at tables and columns, ask with parameters, read sums
 * in tiyn, texts and instants, take an error. Arguments: address, database, a table of a column of each kind.
 */
public final class Jdbc {
    private static int checked;

    private Jdbc() {}

    public static void main(String[] arguments) throws SQLException {
        String address = arguments[0].replaceFirst("^http", "jdbc:clickhouse:http") + "/" + arguments[1];
        Properties login = new Properties();
        login.setProperty("user", "default");
        login.setProperty("password", "");
        login.setProperty("compress", "false"); // Its own blocks, which the embedded server does not make; HTTP has gzip.
        try (Connection connection = DriverManager.getConnection(address, login)) {
            metadata(connection, arguments[1]);
            parameters(connection);
            kinds(connection);
            large(connection);
            refusal(connection);
        }
        System.out.println(checked + " checks passed");
    }

    private static void metadata(Connection connection, String database) throws SQLException {
        DatabaseMetaData about = connection.getMetaData();
        check("product", about.getDatabaseProductName().equals("ClickHouse"));
        List<String> found = new ArrayList<>();
        try (ResultSet tables = about.getTables(null, database, "%", null)) {
            while (tables.next()) {
                found.add(tables.getString("TABLE_NAME"));
            }
        }
        check("views are listed", found.contains("person_history") && found.contains("organizer_daily"));
        List<String> columns = new ArrayList<>();
        try (ResultSet of = about.getColumns(null, database, "person_history", "%")) {
            while (of.next()) {
                columns.add(of.getString("COLUMN_NAME"));
            }
        }
        check("columns are listed", columns.contains("amount_tiyn") && columns.indexOf("iin") == 0);
    }

    private static void parameters(Connection connection) throws SQLException {
        String asked = "it's \\ \"а\"\n?";
        try (PreparedStatement statement = connection.prepareStatement("SELECT ? AS text, toInt64(?) + 1 AS tiyn")) {
            statement.setString(1, asked);
            statement.setLong(2, 999_999_999_999_999_998L);
            try (ResultSet answer = statement.executeQuery()) {
                check("a row", answer.next());
                check("text as it was given", answer.getString("text").equals(asked));
                check("tiyn to the last digit", answer.getLong("tiyn") == 999_999_999_999_999_999L);
            }
        }
    }

    private static void kinds(Connection connection) throws SQLException {
        String query = "SELECT toDateTime64('2026-11-21 00:30:00.123', 3, 'Asia/Almaty') AS at, toDate('2026-11-21') AS day,"
                + " CAST(NULL AS Nullable(Int64)) AS nothing, toLowCardinality('WAGER') AS code,"
                + " toDecimal64('12345678.90', 2) AS tenge, true AS yes, ['a', 'b'] AS list";
        try (Statement statement = connection.createStatement(); ResultSet answer = statement.executeQuery(query)) {
            check("a row", answer.next());
            Instant at = answer.getObject("at", ZonedDateTime.class).toInstant();
            check("an instant of Almaty", at.equals(Instant.parse("2026-11-20T19:30:00.123Z")));
            check("a day", answer.getDate("day").toLocalDate().toString().equals("2026-11-21"));
            answer.getLong("nothing");
            check("null", answer.wasNull());
            check("a code", answer.getString("code").equals("WAGER"));
            check("a decimal", answer.getBigDecimal("tenge").compareTo(new BigDecimal("12345678.90")) == 0);
            check("a boolean", answer.getBoolean("yes"));
            check("an array", ((Object[]) answer.getArray("list").getArray()).length == 2);
        }
    }

    private static void large(Connection connection) throws SQLException {
        long rows = 0;
        long sum = 0;
        try (Statement statement = connection.createStatement();
                ResultSet answer = statement.executeQuery("SELECT number FROM numbers(300000)")) {
            while (answer.next()) {
                rows++;
                sum += answer.getLong(1);
            }
        }
        check("every row of a large answer", rows == 300_000 && sum == 300_000L * 299_999 / 2);
    }

    private static void refusal(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.executeQuery("SELECT nosuch FROM person_history");
            check("a wrong statement is refused", false);
        } catch (SQLException refused) {
            check("with the server's words", refused.getMessage().contains("nosuch"));
            check("with its code", refused.getErrorCode() == 47);
        }
        try (Statement statement = connection.createStatement(); ResultSet answer = statement.executeQuery("SELECT 1")) {
            check("the connection lives on", answer.next() && answer.getInt(1) == 1);
        }
    }

    private static void check(String what, boolean holds) {
        if (!holds) {
            throw new AssertionError(what);
        }
        checked++;
    }
}
