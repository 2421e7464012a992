// Rows of every type go through a plugin unchanged but for what it changes; batches of any size, with nulls.

#include "fake_host.h"

struct row {
    bool flag;
    int32_t small;
    int64_t large;
    float single;
    double number;
    mill_text text;
    mill_binary bytes;
    mill_doubles list;
    mill_texts words;
    mill_date date;
    mill_timestamp instant;
    mill_local_timestamp local;
    mill_nullable_bool maybe_flag;
    mill_nullable_int32 maybe_small;
    mill_nullable_double maybe_number;
    mill_nullable_text maybe_text;
    mill_nullable_doubles maybe_list;
    mill_nullable_double absent;
    double twice;
};

struct alert {
    mill_text text;
    mill_nullable_double number;
};

static const mill_column columns[] = {
    MILL_COLUMN(struct row, flag, "flag", MILL_WRITE),
    MILL_COLUMN(struct row, small, "small", MILL_WRITE),
    MILL_COLUMN(struct row, large, "large", MILL_WRITE),
    MILL_COLUMN(struct row, single, "single", MILL_WRITE),
    MILL_COLUMN(struct row, number, "number", MILL_WRITE),
    MILL_COLUMN(struct row, text, "text", MILL_WRITE),
    MILL_COLUMN(struct row, bytes, "bytes", MILL_WRITE),
    MILL_COLUMN(struct row, list, "list", MILL_WRITE),
    MILL_COLUMN(struct row, words, "words", MILL_WRITE),
    MILL_COLUMN(struct row, date, "date", MILL_WRITE),
    MILL_COLUMN(struct row, instant, "instant", MILL_WRITE),
    MILL_COLUMN(struct row, local, "local", MILL_WRITE),
    MILL_COLUMN(struct row, maybe_flag, "maybe_flag", MILL_WRITE),
    MILL_COLUMN(struct row, maybe_small, "maybe_small", MILL_WRITE),
    MILL_COLUMN(struct row, maybe_number, "maybe_number", MILL_WRITE),
    MILL_COLUMN(struct row, maybe_text, "maybe_text", MILL_WRITE),
    MILL_COLUMN(struct row, maybe_list, "maybe_list", MILL_WRITE),
    MILL_COLUMN(struct row, absent, "absent", MILL_READ | MILL_OPTIONAL | MILL_DROP),
    MILL_COLUMN(struct row, twice, "twice", MILL_NEW),
};
enum { FLAG, SMALL, LARGE, SINGLE, NUMBER, TEXT, BYTES, LIST, WORDS, DATE, INSTANT, LOCAL, MAYBE_FLAG, MAYBE_SMALL,
       MAYBE_NUMBER, MAYBE_TEXT, MAYBE_LIST, TWICE, COLUMNS };

static const mill_column alert_columns[] = {
    MILL_WHOLE_COLUMN(int32_t, "small", MILL_READ),
    MILL_COLUMN(struct alert, text, "text", MILL_NEW),
    MILL_COLUMN(struct alert, number, "number", MILL_NEW),
};

static const mill_output outputs[] = {
    {"alerts", MILL_ROW(struct alert, alert_columns)},
    {NULL, MILL_ROW(struct alert, alert_columns)},
};

static mill_counter rejected = MILL_COUNTER("rejected");

static mill_verdict process_row(void *config, void *fields) {
    (void)config;
    struct row *row = fields;
    CHECK_THAT(!row->absent.valid && row->absent.value == 0);
    CHECK_THAT(row->maybe_number.valid || row->maybe_number.value == 0);
    if (row->small == -1) return mill_drop();
    if (row->small == -2 || row->small == -3) mill_count(&rejected, 1);
    if (row->small == -2) return mill_reject("second");
    if (row->small == -3) return mill_reject(mill_format("%s", "fir\xC3st").data);
    if (row->small == -4) return mill_retry("later");
    if (row->small == -5) return mill_fail("never");
    if (row->small == -6) {
        struct alert alert = {mill_format("at %g", row->number), {true, row->number}};
        mill_emit(0, &alert);
        alert.number.valid = false;
        mill_emit(0, &alert);
    }
    row->twice = row->number * 2;
    return mill_keep();
}

const mill_plugin millstream_plugin = {
    .name = "rows",
    .version = "0.1.0",
    .row = MILL_ROW(struct row, columns),
    .outputs = MILL_OUTPUTS(outputs),
    .process = process_row,
};

static const char NAMES[] = "flag small large single number text bytes list words date instant local maybe_flag? maybe_small? "
                            "maybe_number? maybe_text? maybe_list?";

static uint8_t *bits(size_t rows, size_t every) {
    uint8_t *bits = calloc(1, (rows + 7) / 8);
    for (size_t row = 0; row < rows; row++) {
        if (row % every != 0) mill_set_bit(bits, row);
    }
    return bits;
}

static struct column numbers(size_t rows, size_t size) {
    uint8_t *values = malloc(rows * size);
    for (size_t row = 0; row < rows; row++) {
        if (size == 4) ((int32_t *)values)[row] = (int32_t)row * 3;
        if (size == 8) ((int64_t *)values)[row] = INT64_MAX - (int64_t)row;
    }
    return (struct column){.values = values, .length = rows, .rows = rows};
}

static struct column doubles(size_t rows) {
    double *values = malloc(rows * sizeof *values);
    for (size_t row = 0; row < rows; row++) values[row] = (double)row / 4;
    return (struct column){.values = values, .length = rows, .rows = rows};
}

// Row n has n % 4 elements.
static struct column slices(size_t rows, size_t size) {
    uint32_t *offsets = calloc(rows + 1, sizeof *offsets);
    for (size_t row = 0; row < rows; row++) offsets[row + 1] = offsets[row] + (uint32_t)(row % 4);
    size_t length = offsets[rows];
    uint8_t *values = malloc(length * size + 1);
    for (size_t at = 0; at < length; at++) {
        if (size == 1) values[at] = (uint8_t)('a' + at % 26);
        if (size == 8) ((double *)values)[at] = (double)at;
    }
    return (struct column){.values = values, .length = length, .offsets = offsets, .rows = rows};
}

// Row n has n % 4 texts, and text n has n % 4 bytes: some of the empty ones are null, which is not the same.
static struct column lists(size_t rows) {
    struct column texts = slices(rows, 1), column = slices(slices(rows, 1).length, 1);
    size_t items = texts.length;
    column.item_offsets = column.offsets, column.offsets = texts.offsets, column.rows = rows;
    column.items = items;
    column.items_valid = items == 0 ? NULL : calloc(1, (items + 7) / 8);
    for (size_t at = 0; at < items; at++) {
        if (at % 4 != 0 || at % 3 == 0) mill_set_bit(column.items_valid, at);
    }
    return column;
}

static void give(size_t rows) {
    given_rows = rows;
    struct column flags = {.values = bits(rows, 3), .length = (rows + 7) / 8, .rows = rows};
    given[FLAG] = flags;
    given[SMALL] = numbers(rows, 4), given[LARGE] = numbers(rows, 8);
    given[SINGLE] = numbers(rows, 4), given[NUMBER] = doubles(rows);
    given[TEXT] = given[BYTES] = slices(rows, 1), given[LIST] = slices(rows, 8);
    given[WORDS] = lists(rows);
    given[DATE] = numbers(rows, 4), given[INSTANT] = given[LOCAL] = numbers(rows, 8);
    given[MAYBE_FLAG] = flags, given[MAYBE_SMALL] = numbers(rows, 4), given[MAYBE_NUMBER] = doubles(rows);
    given[MAYBE_TEXT] = slices(rows, 1), given[MAYBE_LIST] = slices(rows, 8);
    for (size_t column = MAYBE_FLAG; column <= MAYBE_LIST; column++) given[column].valid = bits(rows, 5);
}

static void check_same(size_t column, size_t element_size) {
    const struct column *expect = &given[column], *found = &written[column];
    CHECK_THAT(found->length == expect->length);
    bool is_empty = expect->length == 0;
    CHECK_THAT(is_empty || memcmp(found->values, expect->values, expect->length * element_size) == 0);
    if (expect->offsets == NULL) return;
    CHECK_THAT(found->rows == given_rows);
    CHECK_THAT(memcmp(found->offsets, expect->offsets, (given_rows + 1) * sizeof(uint32_t)) == 0);
}

static void check_same_items(size_t column) {
    const struct column *expect = &given[column], *found = &written[column];
    check_same(column, 1);
    CHECK_THAT(found->items == expect->items);
    CHECK_THAT(memcmp(found->item_offsets, expect->item_offsets, (expect->items + 1) * sizeof(uint32_t)) == 0);
    for (size_t at = 0; at < expect->items; at++) {
        bool is_valid = found->items_valid == NULL || mill_bit(found->items_valid, at);
        CHECK_THAT(is_valid == mill_bit(expect->items_valid, at));
    }
}

static void everything_comes_back(size_t rows) {
    give(rows);
    CHECK(process(), "ok");
    CHECK_THAT(kept == NULL && rejections_count == 0);
    check_same(FLAG, 1), check_same(SMALL, 4), check_same(LARGE, 8), check_same(SINGLE, 4), check_same(NUMBER, 8);
    if (rows > 1) check_same(TEXT, 1), check_same(BYTES, 1), check_same(LIST, 8), check_same_items(WORDS);
    check_same(DATE, 4), check_same(INSTANT, 8), check_same(LOCAL, 8);
    for (size_t column = MAYBE_FLAG; column <= MAYBE_LIST; column++) {
        CHECK_THAT(memcmp(written[column].valid, given[column].valid, (rows + 7) / 8) == 0);
    }
    for (size_t row = 0; row < rows; row++) {
        CHECK_THAT(((double *)written[TWICE].values)[row] == ((double *)given[NUMBER].values)[row] * 2);
        uint32_t *offsets = written[MAYBE_TEXT].offsets;
        CHECK_THAT(offsets[row + 1] - offsets[row] == (row % 5 == 0 ? 0 : row % 4)); // a null has no bytes
        double number = ((double *)written[MAYBE_NUMBER].values)[row];
        CHECK_THAT(number == (row % 5 == 0 ? 0 : (double)row / 4));
    }
}

static void rows_leave_with_their_reasons(void) {
    give(200);
    int32_t *small = given[SMALL].values;
    small[0] = small[70] = -1, small[1] = small[199] = small[64] = -2, small[2] = -3;
    CHECK(process(), "ok");
    CHECK_THAT(rejections_count == 2);
    CHECK(rejections[0], "2: fir?st");
    CHECK(rejections[1], "1,64,199: second");
    for (size_t row = 0; row < 200; row++) {
        bool is_gone = row < 3 || row == 64 || row == 70 || row == 199;
        CHECK_THAT(mill_bit(kept, row) == !is_gone);
    }
    CHECK(counted, "rejected 4");
}

static void rows_are_emitted(void) {
    give(100);
    ((int32_t *)given[SMALL].values)[3] = ((int32_t *)given[SMALL].values)[90] = -6;
    CHECK(process(), "ok");
    CHECK(emission, "output 0, parents 3,3,90,90");
    CHECK_THAT(emitted[0].values == NULL); // taken from the parents
    CHECK_THAT(emitted[1].length == strlen("at 0.75at 0.75at 22.5at 22.5"));
    CHECK_THAT(memcmp(emitted[1].values, "at 0.75at 0.75at 22.5at 22.5", emitted[1].length) == 0);
    CHECK_THAT(((double *)emitted[2].values)[2] == 22.5 && *emitted[2].valid == 5);
}

static void batches_fail(void) {
    give(10);
    ((int32_t *)given[SMALL].values)[2] = -2;
    ((int32_t *)given[SMALL].values)[4] = -4;
    CHECK(process(), "retry: later");
    CHECK_THAT(rejections_count == 0 && counted == NULL);
    ((int32_t *)given[SMALL].values)[4] = -5;
    CHECK(process(), "fatal: never");
    everything_comes_back(10); // nothing is left of what failed
}

int main(void) {
    CHECK(process(), "fatal: process was called before configure");
    CHECK_THAT(strstr(configure("{}", ""), "inputs.s.flag: the input has no column `flag`; it has none\n") != NULL);
    CHECK_THAT(strstr(configure("{}", "flag small? large"), "inputs.s.single: the input has no column `single`; it has "
                                                            "`flag`, `small`, `large`\n") != NULL);
    CHECK_THAT(strstr(configure("{}", "small?"), "inputs.s.small: column `small` may be null, but this plugin needs a "
                                                 "value: declare it as required\n") != NULL);
    CHECK(configure("{}", NAMES), "");
    CHECK(plan(), "reads flag:0 small:1 large:2 single:3 number:4 text:6 bytes:7 list:10 words:11 date:8 instant:9 local:9 "
                  "maybe_flag:0? maybe_small:1? maybe_number:4? maybe_text:6? maybe_list:10? "
                  "writes flag:0 small:1 large:2 single:3 number:4 text:6 bytes:7 list:10 words:11 date:8 instant:9 local:9 "
                  "maybe_flag:0? maybe_small:1? maybe_number:4? maybe_text:6? maybe_list:10? twice:4 drops "
                  "output alerts small:1 text:6 number:4? output s small:1 text:6 number:4?");
    const size_t sizes[] = {1, 2, 7, 8, 63, 64, 65, 128, 1000, 8192, 3};
    for (size_t at = 0; at < MILL_LENGTH(sizes); at++) everything_comes_back(sizes[at]);
    rows_leave_with_their_reasons();
    rows_are_emitted();
    batches_fail();
    return 0;
}
