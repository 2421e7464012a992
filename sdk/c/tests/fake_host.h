// A host in memory: gives the SDK the columns of a test and keeps what the SDK hands back.

#ifndef TEST_HOST_H
#define TEST_HOST_H

#include "bindings.h"
#include "millstream.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS_MAX = 32, TEXTS_MAX = 16 };

// A column, in Arrow's layout.
struct column {
    void *values;
    size_t length; // in elements of `values`
    uint32_t *offsets;
    uint8_t *valid; // NULL: all
    size_t rows;
    // Of a list of texts, whose bytes are `values`.
    size_t items;
    uint32_t *item_offsets;
    uint8_t *items_valid; // NULL: all
};

// What the host gives; columns by their number in the plan's reads.
extern struct column given[COLUMNS_MAX];
extern size_t given_rows;

// What it got, since `process` was called.
extern struct column written[COLUMNS_MAX];
extern uint8_t *kept; // NULL: all
extern char *rejections[TEXTS_MAX]; // "0,2: reason"
extern size_t rejections_count;
extern struct column emitted[COLUMNS_MAX];
extern char *emission; // "output 0, parents 0,0,2"
extern char *logged;   // the last line
extern char *counted;  // "name 3"

// Configures the plugin for a stream `s` of columns `name:tag`, with a `?` behind those that may be null; tags
// are those of the bindings. Returns the problems, "path: message\n" for each.
char *configure(const char *config, const char *columns);
// The plan of the last configuration: "reads a b? writes c drops d keeps".
char *plan(void);
// Processes `given`; returns "ok", "retry: …" or "fatal: …".
char *process(void);

// Ends the test program with a message if the two differ.
#define CHECK(found, expect) check_text(__FILE__, __LINE__, found, expect)
#define CHECK_THAT(condition) check_text(__FILE__, __LINE__, (condition) ? "true" : #condition, "true")
void check_text(const char *file, int line, const char *found, const char *expect);

#endif
