// Plugins that work on whole columns; and the text functions.

#include "fake_host.h"
#include <math.h>

enum { SPEED, PLATE, LIMIT, SPEEDING, SHORT };

static const mill_column columns[] = {
    [SPEED] = MILL_WHOLE_COLUMN(mill_nullable_double, "speed", MILL_WRITE),
    [PLATE] = MILL_WHOLE_COLUMN(mill_text, "plate", MILL_READ),
    [LIMIT] = MILL_WHOLE_COLUMN(mill_nullable_double, "limit", MILL_READ | MILL_OPTIONAL),
    [SPEEDING] = MILL_WHOLE_COLUMN(bool, "speeding", MILL_NEW),
    [SHORT] = MILL_WHOLE_COLUMN(mill_nullable_text, "short", MILL_NEW),
};

static mill_verdict process_columns(void *config, mill_batch *batch) {
    (void)config;
    const double *speed = mill_values(batch, SPEED);
    double *kmh = mill_new_values(batch, SPEED);
    uint8_t *speeding = mill_new_values(batch, SPEEDING);
    CHECK_THAT(!mill_has(batch, LIMIT) && mill_is_null(batch, LIMIT, 0));
    for (size_t row = 0; row < mill_rows(batch); row++) {
        mill_text plate = mill_text_at(batch, PLATE, row);
        if (mill_is_null(batch, SPEED, row)) {
            mill_set_null(batch, SPEED, row);
        } else {
            kmh[row] = speed[row] * 3.6;
            if (kmh[row] > 100) mill_set_bit(speeding, row);
        }
        if (plate.length == 0) {
            mill_append_null(batch, SHORT);
            mill_reject_row(batch, row, "no plate");
            mill_reject_row(batch, row, "another reason"); // the first one stands
        } else {
            mill_append_text(batch, SHORT, (mill_text){plate.data, 1});
        }
    }
    return mill_keep();
}

const mill_plugin millstream_plugin = {
    .name = "columns",
    .version = "0.1.0",
    .row = MILL_WHOLE_COLUMNS(columns),
    .process_columns = process_columns,
};

static void whole_columns(void) {
    CHECK(configure("", ""), ".: expected a JSON object\n"
                             "inputs.s.speed: the input has no column `speed`; it has none\n"
                             "inputs.s.plate: the input has no column `plate`; it has none\n");
    CHECK(configure("{\"x\": 1}", "speed? plate"), "x: unknown key\n");
    CHECK(configure("{}", "speed? plate"), "");
    CHECK(plan(), "reads speed:4? plate:6 writes speed:4? speeding:0 short:6? drops");
    given_rows = 3;
    given[0] = (struct column){.values = (double[]){10, 20, 30}, .length = 3, .valid = (uint8_t[]){5}, .rows = 3};
    given[1] = (struct column){.values = "ABXY", .length = 4, .offsets = (uint32_t[]){0, 2, 2, 4}, .rows = 3};
    for (int again = 0; again < 2; again++) {
        CHECK(process(), "ok");
        const double *kmh = written[0].values;
        CHECK_THAT(kmh[0] == 36 && kmh[1] == 0 && kmh[2] == 108 && *written[0].valid == 5);
        CHECK_THAT(*(uint8_t *)written[1].values == 4 && written[1].valid == NULL);
        CHECK_THAT(memcmp(written[2].values, "AX", 2) == 0 && *written[2].valid == 5);
        CHECK_THAT(rejections_count == 1);
        CHECK(rejections[0], "1: no plate");
        CHECK_THAT(*kept == 5);
    }
}

static void trims(const char *text, const char *expect) {
    mill_text trimmed = mill_trim(mill_text_of(text));
    CHECK(mill_format("%.*s", (int)trimmed.length, trimmed.data).data, expect);
}

static void parses(const char *text, double expect) {
    double number = 0.125;
    bool is_number = mill_parse_double(mill_text_of(text), &number);
    CHECK_THAT(is_number && (number == expect || (isnan(number) && isnan(expect))));
}

static void is_no_number(const char *text) {
    double number;
    CHECK_THAT(!mill_parse_double(mill_text_of(text), &number));
}

static void texts(void) {
    trims("", ""), trims(" \t\r\n", ""), trims(" a b ", "a b"), trims("é", "é"), trims("\xE3\x80\x80x\xC2\xA0", "x");
    trims("\xE2\x80\x8Bx", "\xE2\x80\x8Bx"); // a zero width space is no white space
    parses("1", 1), parses("-.5", -0.5), parses("5.", 5), parses("+1e3", 1000), parses("INF", INFINITY);
    parses("-infinity", -INFINITY), parses("nan", NAN);
    const char *none[] = {"", " 1", "1 ", "0x10", "1e", "1,5", "nan(1)", "--1", "1_0", "in", "."};
    for (size_t at = 0; at < MILL_LENGTH(none); at++) is_no_number(none[at]);
    CHECK_THAT(mill_equal_ignoring_case(MILL_TEXT("aZ"), MILL_TEXT("Az")) && !mill_equal(MILL_TEXT("a"), MILL_TEXT("A")));
    CHECK_THAT((uintptr_t)mill_alloc(1) % 16 == 0 && (uintptr_t)mill_alloc(100000) % 16 == 0);
    mill_log(MILL_DEBUG, "not shown");
    CHECK_THAT(logged == NULL);
    mill_log(MILL_WARN, "%d \xFF %s", 7, "\xC3\xA9\xE2\x82");
    CHECK(logged, "7 ? \xC3\xA9??");
}

int main(void) {
    whole_columns();
    texts();
    return 0;
}
