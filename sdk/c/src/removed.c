// The rows of a batch that do not go on, and why.

#include "internal.h"
#include <stdlib.h>
#include <string.h>

struct rejected {
    const char *reason;
    uint32_t row;
};

static size_t rows_count;
static buffer kept;     // a bit for each row; empty until one is removed
static buffer rejected; // of struct rejected
static buffer reasoned; // a bit for each row that has a reason; empty until one is rejected

void begin_removed(size_t rows) {
    rows_count = rows;
    kept.length = rejected.length = reasoned.length = 0;
}

static void keep_all(void) {
    size_t bytes = bitmap_bytes(rows_count);
    memset(extend(&kept, bytes), 0xFF, bytes);
    if (rows_count % 8 != 0) kept.bytes[bytes - 1] = (uint8_t)((1 << rows_count % 8) - 1);
}

// Notes that a row has a reason; false if it had one.
static bool is_first_reason(size_t row) {
    size_t bytes = bitmap_bytes(rows_count);
    if (reasoned.length == 0) memset(extend(&reasoned, bytes), 0, bytes);
    if (mill_bit(reasoned.bytes, row)) return false;
    mill_set_bit(reasoned.bytes, row);
    return true;
}

// The first reason of a row stands.
void remove_row(size_t row, const char *reason) {
    if (kept.length == 0) keep_all();
    kept.bytes[row / 8] &= (uint8_t) ~(1 << (row & 7));
    if (reason == NULL || !is_first_reason(row)) return;
    struct rejected *added = extend(&rejected, sizeof *added);
    *added = (struct rejected){reason, (uint32_t)row};
}

static int by_reason_and_row(const void *left, const void *right) {
    const struct rejected *one = left, *other = right;
    int order = one->reason == other->reason ? 0 : strcmp(one->reason, other->reason);
    return order != 0 ? order : (one->row > other->row) - (one->row < other->row);
}

// Rejects the rows at `list`, which have one reason.
static void reject(batch_handle batch, const struct rejected *list, size_t count) {
    uint32_t *rows = mill_alloc(count * sizeof *rows);
    for (size_t at = 0; at < count; at++) rows[at] = list[at].row;
    bindings_list_u32_t numbers = {rows, count};
    bindings_string_t reason;
    set_string(&reason, mill_text_of(list->reason));
    millstream_plugin_batches_method_batch_reject(batch, &numbers, &reason);
    bindings_string_free(&reason);
}

void finish_removed(batch_handle batch) {
    if (kept.length == 0) return;
    millstream_plugin_batches_bitmap_t mask = {kept.bytes, kept.length};
    millstream_plugin_batches_method_batch_keep(batch, &mask);
    struct rejected *list = (struct rejected *)rejected.bytes;
    size_t count = rejected.length / sizeof *list;
    if (count > 1) qsort(list, count, sizeof *list, by_reason_and_row);
    for (size_t begin = 0, end; begin < count; begin = end) {
        for (end = begin + 1; end < count && strcmp(list[end].reason, list[begin].reason) == 0;) end++;
        reject(batch, list + begin, end - begin);
    }
}
