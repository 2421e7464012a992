// Text: slices of bytes that are UTF-8. Nothing here changes the bytes that it is given.

#include "internal.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

mill_text mill_text_of(const char *string) { return (mill_text){string, strlen(string)}; }

bool mill_equal(mill_text left, mill_text right) {
    return left.length == right.length && (left.length == 0 || memcmp(left.data, right.data, left.length) == 0);
}

static char lower(char letter) { return letter >= 'A' && letter <= 'Z' ? (char)(letter + ('a' - 'A')) : letter; }

bool mill_equal_ignoring_case(mill_text left, mill_text right) {
    if (left.length != right.length) return false;
    for (size_t at = 0; at < left.length; at++) {
        if (lower(left.data[at]) != lower(right.data[at])) return false;
    }
    return true;
}

// True for the characters that Unicode calls white space, beyond ASCII: U+0085, U+00A0, U+1680, U+2000 to
// U+200A, U+2028, U+2029, U+202F, U+205F, U+3000.
static bool is_wide_blank(const uint8_t *at, size_t length) {
    if (length == 2) return at[0] == 0xC2 && (at[1] == 0x85 || at[1] == 0xA0);
    if (length != 3) return false;
    uint32_t character = (at[0] & 0x0Fu) << 12 | (at[1] & 0x3Fu) << 6 | (at[2] & 0x3Fu);
    return character == 0x1680 || (character >= 0x2000 && character <= 0x200A) || character == 0x2028 ||
           character == 0x2029 || character == 0x202F || character == 0x205F || character == 0x3000;
}

static bool is_blank(const uint8_t *at, size_t length) {
    if (length == 1) return *at == ' ' || (*at >= '\t' && *at <= '\r');
    return is_wide_blank(at, length);
}

static size_t character_length(uint8_t first) { return first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4; }

// Bytes of the last character of a text that is not empty.
static size_t last_length(const uint8_t *bytes, size_t length) {
    size_t last = 1;
    while (last < length && last < 4 && (bytes[length - last] & 0xC0) == 0x80) last++;
    return last;
}

mill_text mill_trim(mill_text text) {
    const uint8_t *bytes = (const uint8_t *)text.data;
    size_t length = text.length;
    while (length > 0) {
        size_t first = character_length(*bytes);
        if (first > length || !is_blank(bytes, first)) break;
        bytes += first, length -= first;
    }
    while (length > 0) {
        size_t last = last_length(bytes, length);
        if (!is_blank(bytes + length - last, last)) break;
        length -= last;
    }
    return (mill_text){(const char *)bytes, length};
}

// What strtod takes besides decimal numbers, and what it needs, a 0 behind them, is kept from it here.
bool mill_parse_double(mill_text text, double *number) {
    enum { BYTES_MAX = 127 };
    char copy[BYTES_MAX + 1];
    if (text.length == 0 || text.length > BYTES_MAX) return false;
    memcpy(copy, text.data, text.length);
    copy[text.length] = 0;
    const char *digits = copy + (copy[0] == '-' || copy[0] == '+');
    bool is_word = *digits == 'i' || *digits == 'I' || *digits == 'n' || *digits == 'N';
    if (!is_word && strspn(digits, "0123456789.eE+-") != strlen(digits)) return false;
    if (*digits == 0 || *digits == '+' || *digits == '-' || strchr(digits, '(') != NULL) return false;
    char *end;
    *number = strtod(copy, &end);
    return end == copy + text.length;
}

mill_text mill_format(const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0) mill_abort("`%s` cannot be formatted", format);
    char *text = mill_alloc((size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return (mill_text){text, (size_t)length};
}

// Bytes of the character that begins at `at`; 0 if none does (Unicode 15, table 3-7).
static size_t valid_length(const uint8_t *at, size_t left) {
    size_t length = character_length(*at);
    if (*at < 0x80) return 1;
    if (*at < 0xC2 || *at > 0xF4 || length > left) return 0;
    uint8_t least = *at == 0xE0 ? 0xA0 : *at == 0xF0 ? 0x90 : 0x80;
    uint8_t most = *at == 0xED ? 0x9F : *at == 0xF4 ? 0x8F : 0xBF;
    if (at[1] < least || at[1] > most) return 0;
    for (size_t next = 2; next < length; next++) {
        if ((at[next] & 0xC0) != 0x80) return 0;
    }
    return length;
}

void mend_text(char *bytes, size_t length) {
    for (size_t at = 0; at < length;) {
        size_t valid = valid_length((const uint8_t *)bytes + at, length - at);
        if (valid == 0) bytes[at] = '?';
        at += valid == 0 ? 1 : valid;
    }
}

void set_string(bindings_string_t *to, mill_text text) {
    bindings_string_dup_n(to, text.data, text.length);
    mend_text((char *)to->ptr, to->len);
}
