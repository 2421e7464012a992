// Blocks of rows: between columns and the author's structs.

#ifndef MILLSTREAM_ROWS_H
#define MILLSTREAM_ROWS_H

#include "internal.h"

// Consecutive rows of a batch, as structs of the author's.
typedef struct {
    uint8_t *rows;
    size_t stride; // bytes of a struct
    size_t count;
    size_t first; // number of the first one in the batch
} row_block;

// Copies a column's values of these rows into their fields.
void fill_fields(const column_read *read, const mill_column *column, row_block block);
// Appends these rows' fields to a column.
void take_fields(column_write *write, const mill_column *column, row_block block);

#endif
