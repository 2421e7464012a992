// Rows: a block of them is filled column by column into the author's structs, each goes through `process`,
// and what they write is taken out column by column again. So types are told apart once a block, not once a
// value, and a block stays in the cache.

#include "internal.h"
#include "rows.h"
#include <string.h>

// Rows of a block, one column of them at a time.
typedef struct {
    uint8_t *at; // of the first row's field
    size_t stride, count;
    size_t first; // number in the batch of the first row
    size_t value; // from the field to its value: behind the flag, if it is nullable
} field_run;

#define VALUE_OFFSET(type) offsetof(type, value)

static size_t value_offset(mill_type type) {
    if (!is_nullable(type)) return 0;
    if (has_offsets(type)) return VALUE_OFFSET(mill_nullable_text);
    switch (value_size(type)) {
    case 0: return VALUE_OFFSET(mill_nullable_bool);
    case 4: return VALUE_OFFSET(mill_nullable_int32);
    default: return VALUE_OFFSET(mill_nullable_int64);
    }
}

static field_run run_of(const mill_column *column, row_block block) {
    mill_type type = column->type;
    return (field_run){block.rows + column->offset, block.stride, block.count, block.first, value_offset(type)};
}

// ---- From columns to fields ----

#define COPY_IN(size)                                                                                     \
    for (size_t row = 0; row < run.count; row++)                                                          \
    memcpy(run.at + row * run.stride + run.value, (const uint8_t *)read->values + (run.first + row) * (size), size)

static void read_bools(const column_read *read, field_run run) {
    for (size_t row = 0; row < run.count; row++) {
        bool value = mill_bit(read->values, run.first + row);
        memcpy(run.at + row * run.stride + run.value, &value, sizeof value);
    }
}

static void read_slices(const column_read *read, field_run run, size_t element_size) {
    for (size_t row = 0; row < run.count; row++) {
        const uint32_t *bounds = read->offsets + run.first + row;
        mill_text slice = {(const char *)read->values + bounds[0] * element_size, bounds[1] - bounds[0]};
        memcpy(run.at + row * run.stride + run.value, &slice, sizeof slice);
    }
}

// Sets the flags of nullable fields, and the values of those that are null to 0.
static void read_validity(const column_read *read, field_run run, size_t value_bytes) {
    for (size_t row = 0; row < run.count; row++) {
        uint8_t *field = run.at + row * run.stride;
        *field = read->valid == NULL || mill_bit(read->valid, run.first + row);
        if (!*field) memset(field + run.value, 0, value_bytes);
    }
}

void fill_fields(const column_read *read, const mill_column *column, row_block block) {
    field_run run = run_of(column, block);
    size_t size = value_size(column->type), bytes = size == 0 ? sizeof(bool) : size;
    if (has_offsets(column->type)) {
        read_slices(read, run, size);
        bytes = sizeof(mill_text);
    } else if (size == 0) {
        read_bools(read, run);
    } else if (size == 4) {
        COPY_IN(4);
    } else {
        COPY_IN(8);
    }
    if (is_nullable(column->type)) read_validity(read, run, bytes);
}

// ---- From fields to columns ----

#define COPY_OUT(size)                           \
    for (size_t row = 0; row < run.count; row++) \
    memcpy(to + row * (size), run.at + row * run.stride + run.value, size)

static void write_numbers(column_write *write, field_run run, size_t size) {
    uint8_t *to = extend(&write->values, run.count * size);
    if (size == 4) {
        COPY_OUT(4);
    } else {
        COPY_OUT(8);
    }
    write->rows += run.count;
}

static void write_bools(column_write *write, field_run run) {
    size_t known = write->values.length, bytes = bitmap_bytes(write->rows + run.count);
    if (bytes > known) memset(extend(&write->values, bytes - known), 0, bytes - known);
    for (size_t row = 0; row < run.count; row++) {
        if (run.at[row * run.stride + run.value]) mill_set_bit(write->values.bytes, write->rows);
        write->rows++;
    }
}

// Most texts are short, and a call for each would cost more than the copy.
static inline void copy_bytes(uint8_t *to, const char *from, size_t bytes) {
    for (; bytes >= 8; to += 8, from += 8, bytes -= 8) memcpy(to, from, 8);
    if (bytes >= 4) {
        memcpy(to, from, 4);
        to += 4, from += 4, bytes -= 4;
    }
    if (bytes >= 2) {
        memcpy(to, from, 2);
        to += 2, from += 2, bytes -= 2;
    }
    if (bytes > 0) *to = (uint8_t)*from;
}

static mill_text slice_at(field_run run, size_t row, bool nullable) {
    const uint8_t *field = run.at + row * run.stride;
    mill_text slice = {0};
    if (!nullable || *field) memcpy(&slice, field + run.value, sizeof slice);
    return slice;
}

static void write_slices(column_write *write, field_run run, size_t element_size, bool nullable) {
    size_t begin = write->values.length, length = 0;
    for (size_t row = 0; row < run.count; row++) length += slice_at(run, row, nullable).length;
    uint8_t *to = extend(&write->values, length * element_size);
    uint32_t *ends = extend(&write->offsets, run.count * sizeof *ends);
    uint32_t end = (uint32_t)(begin / element_size);
    for (size_t row = 0; row < run.count; row++) {
        mill_text slice = slice_at(run, row, nullable);
        copy_bytes(to, slice.data, slice.length * element_size);
        to += slice.length * element_size;
        ends[row] = end += (uint32_t)slice.length;
    }
    write->rows += run.count;
}

static void write_texts(column_write *write, field_run run, bool nullable) {
    for (size_t row = 0; row < run.count; row++) {
        const uint8_t *field = run.at + row * run.stride;
        mill_texts list = {0};
        if (!nullable || *field) memcpy(&list, field + run.value, sizeof list);
        append_texts(write, list);
    }
}

void take_fields(column_write *write, const mill_column *column, row_block block) {
    field_run run = run_of(column, block);
    bool nullable = is_nullable(column->type);
    size_t size = value_size(column->type), first = write->rows;
    if (base_type(column->type) == MILL_UTF8_LIST) {
        write_texts(write, run, nullable);
    } else if (has_offsets(column->type)) {
        write_slices(write, run, size, nullable);
    } else if (size == 0) {
        write_bools(write, run);
    } else {
        write_numbers(write, run, size);
    }
    for (size_t row = 0; nullable && row < run.count; row++) {
        if (!run.at[row * run.stride]) set_row_null(write, first + row);
    }
}
