// Every type of column, with and without nulls, read and written back by a function of rows.

#include <millstream.h>

struct every {
    int32_t verdict;
    bool flag;
    int32_t small;
    int64_t large;
    float single;
    double number;
    mill_text text;
    mill_binary blob;
    mill_date day;
    mill_timestamp at;
    mill_local_timestamp wall;
    mill_doubles numbers;
    mill_texts words;
    mill_nullable_bool maybe_flag;
    mill_nullable_int32 maybe_small;
    mill_nullable_int64 maybe_large;
    mill_nullable_float maybe_single;
    mill_nullable_double maybe_double;
    mill_nullable_text maybe_text;
    mill_nullable_binary maybe_blob;
    mill_nullable_date maybe_day;
    mill_nullable_timestamp maybe_at;
    mill_nullable_local_timestamp maybe_wall;
    mill_nullable_doubles maybe_numbers;
    mill_nullable_texts maybe_words;
};

#define BOTH_WAYS(field) MILL_COLUMN(struct every, field, #field, MILL_WRITE)

static const mill_column columns[] = {
    MILL_COLUMN(struct every, verdict, "verdict", MILL_READ),
    MILL_COLUMN(struct every, number, "double", MILL_WRITE),
    BOTH_WAYS(flag), BOTH_WAYS(small), BOTH_WAYS(large), BOTH_WAYS(single), BOTH_WAYS(text), BOTH_WAYS(blob),
    BOTH_WAYS(day), BOTH_WAYS(at), BOTH_WAYS(wall), BOTH_WAYS(numbers), BOTH_WAYS(words),
    BOTH_WAYS(maybe_flag), BOTH_WAYS(maybe_small), BOTH_WAYS(maybe_large), BOTH_WAYS(maybe_single),
    BOTH_WAYS(maybe_double), BOTH_WAYS(maybe_text), BOTH_WAYS(maybe_blob), BOTH_WAYS(maybe_day), BOTH_WAYS(maybe_at),
    BOTH_WAYS(maybe_wall), BOTH_WAYS(maybe_numbers), BOTH_WAYS(maybe_words),
};

static mill_verdict process(void *config, void *row) {
    (void)config;
    const struct every *every = row;
    if (every->verdict == 1) return mill_reject("turned away");
    return every->verdict == 2 ? mill_drop() : mill_keep();
}

const mill_plugin millstream_plugin = {
    .name = "same-c",
    .version = "0.1.0",
    .row = MILL_ROW(struct every, columns),
    .process = process,
};
