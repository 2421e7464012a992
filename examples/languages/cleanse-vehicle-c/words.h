// Words: the canonical ones of a vocabulary, and the spellings that mean them. Case, blanks and punctuation do
// not count.

#ifndef WORDS_H
#define WORDS_H

#include <millstream.h>

// Letters and digits of a spelling, in lower case, and the word that it means.
struct spelling {
    mill_text key, word;
};

typedef const struct spelling *vocabulary; // ends with NULL

extern const struct spelling fuel_types[];
extern const struct spelling directions[];

// The canonical word that a text means; of NULL if it is none.
mill_text word_of(vocabulary vocabulary, mill_text text);

#endif
