// Columns of lists of texts. They pass as the raw buffers of Arrow: the offsets of the lists, the validity of their
// items, the offsets of the items, and the bytes of these.

#include "internal.h"
#include <stdlib.h>
#include <string.h>

enum { LISTS, ITEMS_VALID, ITEMS, BYTES, BUFFERS };

void open_texts(column_read *read, batch_handle batch, uint32_t number) {
    millstream_plugin_types_raw_t *raw = &read->from.raw;
    millstream_plugin_batches_method_batch_read_raw(batch, number, raw);
    if (raw->buffers.len != BUFFERS) mill_abort("a list of texts has %zu buffers", raw->buffers.len);
    const bindings_list_u8_t *buffers = raw->buffers.ptr;
    read->offsets = (const uint32_t *)buffers[LISTS].ptr;
    size_t offsets = buffers[ITEMS].len / sizeof(uint32_t);
    read->length = offsets > 0 ? offsets - 1 : 0;
    if (raw->valid.is_some) read->valid = raw->valid.val.ptr;
    const uint32_t *ends = (const uint32_t *)buffers[ITEMS].ptr;
    const char *bytes = buffers[BYTES].len > 0 ? (const char *)buffers[BYTES].ptr : "";
    const uint8_t *items_valid = buffers[ITEMS_VALID].len > 0 ? buffers[ITEMS_VALID].ptr : NULL;
    read->items = allocated(read->length * sizeof *read->items);
    for (size_t at = 0; at < read->length; at++) {
        bool is_null = items_valid != NULL && !mill_bit(items_valid, at);
        read->items[at] = is_null ? (mill_text){0} : (mill_text){bytes + ends[at], ends[at + 1] - ends[at]};
    }
    read->values = read->items;
}

void close_texts(column_read *read) {
    millstream_plugin_types_raw_free(&read->from.raw);
    free(read->items);
}

static void append_item(column_write *write, mill_text item) {
    size_t number = write->item_offsets.length / sizeof(uint32_t) - 1;
    if (item.data == NULL) {
        set_null(&write->items_valid, number);
    } else if (item.length > 0) {
        memcpy(extend(&write->values, item.length), item.data, item.length);
    }
    *(uint32_t *)extend(&write->item_offsets, sizeof(uint32_t)) = (uint32_t)write->values.length;
}

void append_texts(column_write *write, mill_texts list) {
    for (size_t at = 0; at < list.count; at++) append_item(write, list.items[at]);
    uint32_t items = (uint32_t)(write->item_offsets.length / sizeof(uint32_t) - 1);
    *(uint32_t *)extend(&write->offsets, sizeof(uint32_t)) = items;
    write->rows++;
}

static bindings_list_u8_t list_of(const buffer *buffer) {
    return (bindings_list_u8_t){buffer->bytes, buffer->length};
}

void finish_texts(column_write *write, column_target target, uint32_t number) {
    size_t items = write->item_offsets.length / sizeof(uint32_t) - 1;
    millstream_plugin_types_option_bitmap_t items_valid = bitmap_of(&write->items_valid, items);
    bindings_list_u8_t buffers[BUFFERS] = {
        [LISTS] = list_of(&write->offsets),
        [ITEMS_VALID] = {items_valid.val.ptr, items_valid.val.len},
        [ITEMS] = list_of(&write->item_offsets),
        [BYTES] = list_of(&write->values),
    };
    millstream_plugin_types_raw_t raw = {{buffers, BUFFERS}, bitmap_of(&write->valid, write->rows)};
    if (target.is_builder) {
        millstream_plugin_batches_borrow_builder_t builder = {target.handle};
        millstream_plugin_batches_method_builder_write_raw(builder, number, &raw);
    } else {
        millstream_plugin_batches_borrow_batch_t batch = {target.handle};
        millstream_plugin_batches_method_batch_write_raw(batch, number, &raw);
    }
}
