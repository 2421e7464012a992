// A batch on its way through the plugin: columns are fetched once, rows or whole columns go through the
// author's function, and columns, verdicts, emitted rows and metrics are handed back if it went well.

#include "internal.h"
#include "rows.h"
#include <string.h>

enum { BLOCK_ROWS = 64 };

static mill_batch current;

static size_t columns_count(void) { return millstream_plugin.row.count; }
static const mill_column *column_of(size_t number) { return &millstream_plugin.row.columns[number]; }

static void open_batch(batch_handle handle, const column_place *places) {
    if (current.reads == NULL) {
        current.reads = allocated(columns_count() * sizeof *current.reads);
        current.writes = allocated(columns_count() * sizeof *current.writes);
        memset(current.writes, 0, columns_count() * sizeof *current.writes);
    }
    memset(current.reads, 0, columns_count() * sizeof *current.reads);
    current.handle = handle;
    current.rows = millstream_plugin_batches_method_batch_rows(handle);
    current.places = places;
    for (size_t number = 0; number < columns_count(); number++) {
        if (places[number].write >= 0) begin_column(&current.writes[number], column_of(number)->type);
    }
    begin_removed(current.rows);
    begin_outputs();
}

static void hand_back(void) {
    column_target target = {.handle = current.handle.__handle};
    for (size_t number = 0; number < columns_count(); number++) {
        int32_t place = current.places[number].write;
        column_write *write = &current.writes[number];
        if (place < 0) continue;
        if (write->rows != current.rows) {
            mill_abort("column `%s` was written with %zu values for %zu rows", column_of(number)->name,
                       write->rows, current.rows);
        }
        finish_column(write, column_of(number)->type, target, (uint32_t)place);
    }
    finish_removed(current.handle);
    finish_outputs(current.handle);
}

void close_batch(void) {
    for (size_t number = 0; number < columns_count(); number++) {
        close_column(&current.reads[number], column_of(number)->type);
    }
    free_responses();
    free_call_memory();
}

static column_read *opened(mill_batch *batch, size_t number) {
    column_read *read = &batch->reads[number];
    int32_t place = batch->places[number].read;
    if (!read->is_open && place >= 0) open_column(read, column_of(number)->type, batch->handle, (uint32_t)place);
    return read;
}

static row_block block_of(size_t first) {
    static uint8_t *rows;
    size_t stride = millstream_plugin.row.size;
    if (rows == NULL) rows = allocated(BLOCK_ROWS * stride);
    size_t count = current.rows - first < BLOCK_ROWS ? current.rows - first : BLOCK_ROWS;
    return (row_block){rows, stride, count, first};
}

// Passes the rows of a block through `process`, one by one.
static mill_verdict process_rows(row_block block, void *config) {
    for (size_t row = 0; row < block.count; row++) {
        void *fields = block.rows + row * block.stride;
        set_parent(block.first + row);
        mill_verdict verdict = millstream_plugin.process(config, fields);
        if (verdict.kind == MILL_KEEPS) continue;
        if (verdict.kind != MILL_DROPS && verdict.kind != MILL_REJECTS) return verdict;
        remove_row(block.first + row, verdict.kind == MILL_REJECTS ? verdict.reason : NULL);
        // Nobody sees what it wrote, which may point anywhere.
        memset(fields, 0, block.stride);
    }
    return mill_keep();
}

static mill_verdict process_blocks(void *config) {
    for (size_t first = 0; first < current.rows; first += BLOCK_ROWS) {
        row_block block = block_of(first);
        memset(block.rows, 0, block.count * block.stride);
        for (size_t number = 0; number < columns_count(); number++) {
            if (current.places[number].read < 0) continue;
            fill_fields(opened(&current, number), column_of(number), block);
        }
        mill_verdict verdict = process_rows(block, config);
        if (verdict.kind != MILL_KEEPS) return verdict;
        for (size_t number = 0; number < columns_count(); number++) {
            if (current.places[number].write < 0) continue;
            take_fields(&current.writes[number], column_of(number), block);
        }
    }
    return mill_keep();
}

mill_verdict run_batch(batch_handle handle, const column_place *places, void *config) {
    open_batch(handle, places);
    bool by_row = millstream_plugin.process != NULL;
    mill_verdict verdict = by_row ? process_blocks(config) : millstream_plugin.process_columns(config, &current);
    if (verdict.kind == MILL_KEEPS) hand_back();
    finish_metrics(verdict.kind == MILL_KEEPS);
    return verdict;
}

// ---- Whole columns ----

// Ends the call if the plugin has no such column.
static column_place place_of(const mill_batch *batch, size_t number) {
    if (number >= columns_count()) mill_abort("there is no column number %zu", number);
    return batch->places[number];
}

static column_read *reading(mill_batch *batch, size_t number) {
    if (place_of(batch, number).read < 0) mill_abort("column `%s` is not read", column_of(number)->name);
    return opened(batch, number);
}

static column_write *writing(mill_batch *batch, size_t number) {
    if (place_of(batch, number).write < 0) mill_abort("column `%s` is not written", column_of(number)->name);
    return &batch->writes[number];
}

size_t mill_rows(const mill_batch *batch) { return batch->rows; }

bool mill_has(const mill_batch *batch, size_t column) {
    return place_of(batch, column).read >= 0;
}

const void *mill_values(mill_batch *batch, size_t column) { return reading(batch, column)->values; }

const uint8_t *mill_validity(mill_batch *batch, size_t column) { return reading(batch, column)->valid; }

bool mill_is_null(mill_batch *batch, size_t column, size_t row) {
    if (!mill_has(batch, column)) return true;
    const uint8_t *valid = reading(batch, column)->valid;
    return valid != NULL && !mill_bit(valid, row);
}

mill_text mill_text_at(mill_batch *batch, size_t column, size_t row) {
    mill_binary bytes = mill_binary_at(batch, column, row);
    return (mill_text){(const char *)bytes.data, bytes.length};
}

mill_binary mill_binary_at(mill_batch *batch, size_t column, size_t row) {
    if (mill_is_null(batch, column, row)) return (mill_binary){0};
    const column_read *read = reading(batch, column);
    const uint32_t *bounds = read->offsets + row;
    return (mill_binary){(const uint8_t *)read->values + bounds[0], bounds[1] - bounds[0]};
}

mill_doubles mill_doubles_at(mill_batch *batch, size_t column, size_t row) {
    if (mill_is_null(batch, column, row)) return (mill_doubles){0};
    const column_read *read = reading(batch, column);
    const uint32_t *bounds = read->offsets + row;
    return (mill_doubles){(const double *)read->values + bounds[0], bounds[1] - bounds[0]};
}

mill_texts mill_texts_at(mill_batch *batch, size_t column, size_t row) {
    if (mill_is_null(batch, column, row)) return (mill_texts){0};
    const column_read *read = reading(batch, column);
    const uint32_t *bounds = read->offsets + row;
    return (mill_texts){(const mill_text *)read->values + bounds[0], bounds[1] - bounds[0]};
}

void *mill_new_values(mill_batch *batch, size_t column) {
    column_write *write = writing(batch, column);
    if (has_offsets(column_of(column)->type)) mill_abort("column `%s` is appended to", column_of(column)->name);
    if (write->rows == 0) fill_column(write, column_of(column)->type, batch->rows);
    return write->values.bytes;
}

void mill_set_null(mill_batch *batch, size_t column, size_t row) {
    mill_new_values(batch, column);
    if (row >= batch->rows) mill_abort("row %zu of a batch of %zu", row, batch->rows);
    set_row_null(writing(batch, column), row);
}

void mill_append_text(mill_batch *batch, size_t column, mill_text text) {
    append_slice(writing(batch, column), text.data, text.length, 1);
}

void mill_append_binary(mill_batch *batch, size_t column, mill_binary bytes) {
    append_slice(writing(batch, column), bytes.data, bytes.length, 1);
}

void mill_append_doubles(mill_batch *batch, size_t column, mill_doubles list) {
    append_slice(writing(batch, column), list.values, list.length * sizeof(double), sizeof(double));
}

void mill_append_texts(mill_batch *batch, size_t column, mill_texts list) {
    append_texts(writing(batch, column), list);
}

void mill_append_null(mill_batch *batch, size_t column) {
    append_null(writing(batch, column), column_of(column)->type);
}

static size_t row_of(const mill_batch *batch, size_t row) {
    if (row >= batch->rows) mill_abort("row %zu of a batch of %zu", row, batch->rows);
    return row;
}

void mill_drop_row(mill_batch *batch, size_t row) { remove_row(row_of(batch, row), NULL); }

void mill_reject_row(mill_batch *batch, size_t row, const char *reason) { remove_row(row_of(batch, row), reason); }
