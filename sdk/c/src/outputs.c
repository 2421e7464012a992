// Rows that a plugin emits: collected in columns while the batch is processed, handed over at its end.

#include "internal.h"
#include <string.h>

struct output {
    buffer parents;       // uint32_t, one for each row
    column_write *writes; // by number in the output's row
};

static const size_t NO_ROW = SIZE_MAX;

static struct output *outputs;
static size_t parent; // the row in hand

static const mill_output *declared(size_t number) { return &millstream_plugin.outputs.outputs[number]; }

static void make_outputs(void) {
    size_t count = millstream_plugin.outputs.count;
    outputs = allocated(count * sizeof *outputs);
    memset(outputs, 0, count * sizeof *outputs);
    for (size_t number = 0; number < count; number++) {
        size_t bytes = declared(number)->row.count * sizeof(column_write);
        outputs[number].writes = allocated(bytes);
        memset(outputs[number].writes, 0, bytes);
    }
}

void begin_outputs(void) {
    if (outputs == NULL) make_outputs();
    parent = NO_ROW;
    for (size_t number = 0; number < millstream_plugin.outputs.count; number++) {
        outputs[number].parents.length = 0;
        const mill_row *row = &declared(number)->row;
        for (size_t at = 0; at < row->count; at++) {
            begin_column(&outputs[number].writes[at], row->columns[at].type);
        }
    }
}

void set_parent(size_t row) { parent = row; }

void mill_emit(size_t output, const void *row) {
    if (parent == NO_ROW) mill_abort("no row is in hand: mill_emit_from names one");
    mill_emit_from(output, parent, row);
}

void mill_emit_from(size_t output, size_t from, const void *row) {
    if (output >= millstream_plugin.outputs.count) mill_abort("there is no output number %zu", output);
    *(uint32_t *)extend(&outputs[output].parents, sizeof(uint32_t)) = (uint32_t)from;
    const mill_row *shape = &declared(output)->row;
    for (size_t at = 0; at < shape->count; at++) {
        const mill_column *column = &shape->columns[at];
        if (!(column->use & MILL_NEW)) continue;
        append_value(&outputs[output].writes[at], column->type, (const uint8_t *)row + column->offset);
    }
}

static void finish_output(size_t number, batch_handle batch) {
    struct output *output = &outputs[number];
    bindings_list_u32_t parents = {(uint32_t *)output->parents.bytes, output->parents.length / sizeof(uint32_t)};
    if (parents.len == 0) return;
    millstream_plugin_batches_own_builder_t builder =
        millstream_plugin_batches_constructor_builder((uint32_t)number, (uint32_t)parents.len);
    millstream_plugin_batches_borrow_builder_t borrowed = millstream_plugin_batches_borrow_builder(builder);
    millstream_plugin_batches_method_builder_gather(borrowed, batch, &parents);
    column_target target = {.is_builder = true, .handle = borrowed.__handle};
    const mill_row *row = &declared(number)->row;
    for (size_t at = 0; at < row->count; at++) {
        if (!(row->columns[at].use & MILL_NEW)) continue;
        finish_column(&output->writes[at], row->columns[at].type, target, (uint32_t)at);
    }
    millstream_plugin_batches_emit(builder);
}

void finish_outputs(batch_handle batch) {
    for (size_t number = 0; number < millstream_plugin.outputs.count; number++) finish_output(number, batch);
}
