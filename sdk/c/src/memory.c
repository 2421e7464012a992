// Memory: of the call in hand, which is freed when it ends, and buffers that are kept for the next one. A
// plugin that needs more than its limit is told so by the host; here it ends with a message.

#include "internal.h"
#include <stdlib.h>

enum { BLOCK_BYTES = 64 << 10, ALIGNMENT = 16 };

struct block {
    struct block *before;
    size_t used, size;
    _Alignas(ALIGNMENT) uint8_t bytes[];
};

static struct block *newest;

#ifdef __wasm__

// The linker puts these in the place of the allocator's (`--wrap`), also for what wasi-libc needs itself. Address 0 can
// be written, so nobody is given NULL who asked for something.
void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *old, size_t bytes);
void *__real_aligned_alloc(size_t alignment, size_t bytes);

static void *had(void *memory, size_t bytes) {
    if (memory == NULL && bytes > 0) mill_abort("out of memory: %zu bytes more are not to be had", bytes);
    return memory;
}

void *__wrap_malloc(size_t bytes) { return had(__real_malloc(bytes), bytes); }

void *__wrap_calloc(size_t count, size_t bytes) {
    size_t all;
    if (__builtin_mul_overflow(count, bytes, &all)) all = SIZE_MAX;
    return had(__real_calloc(count, bytes), all);
}

void *__wrap_realloc(void *old, size_t bytes) { return had(__real_realloc(old, bytes), bytes); }

void *__wrap_aligned_alloc(size_t alignment, size_t bytes) {
    return had(__real_aligned_alloc(alignment, bytes), bytes);
}

#endif

void *allocated(size_t bytes) { return reallocated(NULL, bytes); }

void *reallocated(void *old, size_t bytes) {
    void *memory = realloc(old, bytes > 0 ? bytes : 1);
    if (memory == NULL) mill_abort("out of memory: %zu bytes more are not to be had", bytes);
    return memory;
}

static struct block *block_with(size_t bytes) {
    if (newest != NULL && newest->size - newest->used >= bytes) return newest;
    size_t size = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
    struct block *block = allocated(sizeof *block + size);
    *block = (struct block){.before = newest, .size = size};
    return newest = block;
}

void *mill_alloc(size_t bytes) {
    if (bytes > PTRDIFF_MAX - ALIGNMENT) mill_abort("out of memory: %zu bytes are asked for", bytes);
    bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    struct block *block = block_with(bytes);
    void *memory = block->bytes + block->used;
    block->used += bytes;
    return memory;
}

void free_call_memory(void) {
    while (newest != NULL && (newest->before != NULL || newest->size > BLOCK_BYTES)) {
        struct block *before = newest->before;
        free(newest);
        newest = before;
    }
    if (newest != NULL) newest->used = 0;
}

void *extend(buffer *buffer, size_t bytes) {
    size_t length = buffer->length + bytes;
    if (length > buffer->capacity) {
        size_t capacity = buffer->capacity + buffer->capacity / 2;
        buffer->capacity = capacity > length ? capacity : length;
        buffer->bytes = reallocated(buffer->bytes, buffer->capacity);
    }
    void *added = buffer->bytes + buffer->length;
    buffer->length = length;
    return added;
}
