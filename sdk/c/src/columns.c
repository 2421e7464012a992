// Columns in the plugin's memory: fetched once a batch, and built to be handed back. They know layouts, not
// what values mean: dates are int32, timestamps int64, texts bytes.

#include "internal.h"
#include <stdlib.h>
#include <string.h>

bool has_offsets(mill_type type) {
    type = base_type(type);
    return type == MILL_UTF8 || type == MILL_BINARY || type == MILL_FLOAT64_LIST || type == MILL_UTF8_LIST;
}

size_t value_size(mill_type type) {
    switch (base_type(type)) {
    case MILL_BOOLEAN: return 0;
    case MILL_UTF8:
    case MILL_BINARY: return 1;
    case MILL_INT32:
    case MILL_DATE:
    case MILL_FLOAT32: return 4;
    case MILL_UTF8_LIST: return sizeof(mill_text);
    default: return 8;
    }
}

// Fetches a column of a fixed-width type into the part of the union that is `list`.
#define OPEN_NUMBERS(kind, list)                                                              \
    do {                                                                                      \
        millstream_plugin_batches_method_batch_read_##kind(batch, number, &read->from.list);  \
        read->values = read->from.list.values.ptr;                                            \
        read->length = read->from.list.values.len;                                            \
        if (read->from.list.valid.is_some) read->valid = read->from.list.valid.val.ptr;       \
    } while (0)
#define OPEN_SLICES(kind, list, elements)                                                     \
    do {                                                                                      \
        millstream_plugin_batches_method_batch_read_##kind(batch, number, &read->from.list);  \
        read->values = read->from.list.elements.ptr;                                          \
        read->length = read->from.list.elements.len;                                          \
        read->offsets = read->from.list.offsets.ptr;                                          \
        if (read->from.list.valid.is_some) read->valid = read->from.list.valid.val.ptr;       \
    } while (0)

void open_column(column_read *read, mill_type type, batch_handle batch, uint32_t number) {
    *read = (column_read){.is_open = true};
    switch (base_type(type)) {
    case MILL_BOOLEAN: OPEN_NUMBERS(bool, bools); break;
    case MILL_INT32:
    case MILL_DATE: OPEN_NUMBERS(int32, int32s); break;
    case MILL_FLOAT32: OPEN_NUMBERS(float32, float32s); break;
    case MILL_FLOAT64: OPEN_NUMBERS(float64, float64s); break;
    case MILL_UTF8:
    case MILL_BINARY: OPEN_SLICES(bytes, bytes, data); break;
    case MILL_FLOAT64_LIST: OPEN_SLICES(float64_list, lists, values); break;
    case MILL_UTF8_LIST: open_texts(read, batch, number); break;
    default: OPEN_NUMBERS(int64, int64s); break;
    }
}

void close_column(column_read *read, mill_type type) {
    if (!read->is_open) return;
    switch (base_type(type)) {
    case MILL_BOOLEAN: millstream_plugin_types_bools_free(&read->from.bools); break;
    case MILL_INT32:
    case MILL_DATE: millstream_plugin_types_int32s_free(&read->from.int32s); break;
    case MILL_FLOAT32: millstream_plugin_types_float32s_free(&read->from.float32s); break;
    case MILL_FLOAT64: millstream_plugin_types_float64s_free(&read->from.float64s); break;
    case MILL_UTF8:
    case MILL_BINARY: millstream_plugin_types_bytes_free(&read->from.bytes); break;
    case MILL_FLOAT64_LIST: millstream_plugin_types_float64_lists_free(&read->from.lists); break;
    case MILL_UTF8_LIST: close_texts(read); break;
    default: millstream_plugin_types_int64s_free(&read->from.int64s); break;
    }
    read->is_open = false;
}

static void begin_offsets(buffer *offsets) { memset(extend(offsets, sizeof(uint32_t)), 0, sizeof(uint32_t)); }

void begin_column(column_write *write, mill_type type) {
    write->rows = write->values.length = write->offsets.length = write->valid.bits.length = 0;
    write->item_offsets.length = write->items_valid.bits.length = 0;
    write->valid.has_nulls = write->items_valid.has_nulls = false;
    if (has_offsets(type)) begin_offsets(&write->offsets);
    if (base_type(type) == MILL_UTF8_LIST) begin_offsets(&write->item_offsets);
}

void set_null(bits_written *bits, size_t at) {
    size_t known = bits->bits.length;
    if (at / 8 >= known) memset(extend(&bits->bits, at / 8 + 1 - known), 0xFF, at / 8 + 1 - known);
    bits->bits.bytes[at / 8] &= (uint8_t) ~(1 << (at & 7));
    bits->has_nulls = true;
}

void set_row_null(column_write *write, size_t row) { set_null(&write->valid, row); }

static void append_bool(column_write *write, bool value) {
    if (write->rows % 8 == 0) *(uint8_t *)extend(&write->values, 1) = 0;
    if (value) mill_set_bit(write->values.bytes, write->rows);
    write->rows++;
}

void append_slice(column_write *write, const void *data, size_t bytes, size_t element_size) {
    if (bytes > 0) memcpy(extend(&write->values, bytes), data, bytes);
    *(uint32_t *)extend(&write->offsets, sizeof(uint32_t)) = (uint32_t)(write->values.length / element_size);
    write->rows++;
}

void append_null(column_write *write, mill_type type) {
    set_row_null(write, write->rows);
    size_t size = value_size(type);
    if (base_type(type) == MILL_UTF8_LIST) {
        append_texts(write, (mill_texts){0});
    } else if (has_offsets(type)) {
        append_slice(write, NULL, 0, size);
    } else if (size == 0) {
        append_bool(write, false);
    } else {
        memset(extend(&write->values, size), 0, size);
        write->rows++;
    }
}

// The value behind the flag of a nullable field, by the alignment of its type.
static const void *value_of(mill_type type, const void *field) {
    switch (base_type(type)) {
    case MILL_BOOLEAN: return &((const mill_nullable_bool *)field)->value;
    case MILL_UTF8: return &((const mill_nullable_text *)field)->value;
    case MILL_BINARY: return &((const mill_nullable_binary *)field)->value;
    case MILL_FLOAT64_LIST: return &((const mill_nullable_doubles *)field)->value;
    case MILL_UTF8_LIST: return &((const mill_nullable_texts *)field)->value;
    default:
        return value_size(type) == 4 ? (const void *)&((const mill_nullable_int32 *)field)->value
                                     : (const void *)&((const mill_nullable_int64 *)field)->value;
    }
}

void append_value(column_write *write, mill_type type, const void *field) {
    if (is_nullable(type)) {
        if (!*(const bool *)field) {
            append_null(write, type);
            return;
        }
        field = value_of(type, field);
    }
    size_t size = value_size(type);
    if (base_type(type) == MILL_UTF8_LIST) {
        append_texts(write, *(const mill_texts *)field);
    } else if (has_offsets(type)) {
        const mill_text *slice = field; // of the same shape as mill_binary and mill_doubles
        append_slice(write, slice->data, slice->length * size, size);
    } else if (size == 0) {
        append_bool(write, *(const bool *)field);
    } else {
        memcpy(extend(&write->values, size), field, size);
        write->rows++;
    }
}

void fill_column(column_write *write, mill_type type, size_t rows) {
    size_t size = value_size(type);
    size_t bytes = size == 0 ? bitmap_bytes(rows) : rows * size;
    memset(extend(&write->values, bytes), 0, bytes);
    write->rows = rows;
}

millstream_plugin_types_option_bitmap_t bitmap_of(bits_written *bits, size_t values) {
    millstream_plugin_types_option_bitmap_t valid = {0};
    if (!bits->has_nulls) return valid;
    size_t bytes = bitmap_bytes(values), known = bits->bits.length;
    if (bytes > known) memset(extend(&bits->bits, bytes - known), 0xFF, bytes - known);
    valid.is_some = true;
    valid.val.ptr = bits->bits.bytes;
    valid.val.len = bytes;
    if (values % 8 != 0) bits->bits.bytes[bytes - 1] &= (uint8_t)((1 << values % 8) - 1);
    return valid;
}

static millstream_plugin_types_option_bitmap_t validity(column_write *write) {
    return bitmap_of(&write->valid, write->rows);
}

// Hands a column to the batch, or to a builder.
#define PUT(write_function, list)                                                                                     \
    do {                                                                                                    \
        if (target.is_builder) {                                                                            \
            millstream_plugin_batches_borrow_builder_t builder = {target.handle};                           \
            millstream_plugin_batches_method_builder_##write_function(builder, number, &(list));                \
        } else {                                                                                            \
            millstream_plugin_batches_borrow_batch_t batch = {target.handle};                               \
            millstream_plugin_batches_method_batch_##write_function(batch, number, &(list));                    \
        }                                                                                                   \
    } while (0)
#define PUT_NUMBERS(kind, list_type, element)                                                               \
    do {                                                                                                    \
        list_type list = {.valid = validity(write)};                                                        \
        list.values.ptr = (element *)write->values.bytes;                                                   \
        list.values.len = write->values.length / sizeof(element);                                           \
        PUT(write_##kind, list);                                                                                    \
    } while (0)

static void finish_bytes(column_write *write, column_target target, uint32_t number) {
    millstream_plugin_types_bytes_t list = {.valid = validity(write)};
    list.offsets.ptr = (uint32_t *)write->offsets.bytes;
    list.offsets.len = write->offsets.length / sizeof(uint32_t);
    list.data.ptr = write->values.bytes;
    list.data.len = write->values.length;
    PUT(write_bytes, list);
}

static void finish_lists(column_write *write, column_target target, uint32_t number) {
    millstream_plugin_types_float64_lists_t list = {.valid = validity(write)};
    list.offsets.ptr = (uint32_t *)write->offsets.bytes;
    list.offsets.len = write->offsets.length / sizeof(uint32_t);
    list.values.ptr = (double *)write->values.bytes;
    list.values.len = write->values.length / sizeof(double);
    PUT(write_float64_list, list);
}

void finish_column(column_write *write, mill_type type, column_target target, uint32_t number) {
    switch (base_type(type)) {
    case MILL_BOOLEAN: PUT_NUMBERS(bool, millstream_plugin_types_bools_t, uint8_t); break;
    case MILL_INT32:
    case MILL_DATE: PUT_NUMBERS(int32, millstream_plugin_types_int32s_t, int32_t); break;
    case MILL_FLOAT32: PUT_NUMBERS(float32, millstream_plugin_types_float32s_t, float); break;
    case MILL_FLOAT64: PUT_NUMBERS(float64, millstream_plugin_types_float64s_t, double); break;
    case MILL_UTF8:
    case MILL_BINARY: finish_bytes(write, target, number); break;
    case MILL_FLOAT64_LIST: finish_lists(write, target, number); break;
    case MILL_UTF8_LIST: finish_texts(write, target, number); break;
    default: PUT_NUMBERS(int64, millstream_plugin_types_int64s_t, int64_t); break;
    }
}
