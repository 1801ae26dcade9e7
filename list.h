/*
 * list.h - lists of info_hashes, and reading them from files a slice at a time.
 *
 * A list is a set that does not change: a hash table keyed with a random secret, as strangers
 * choose what is looked up. A loader makes one of a text, beside the list that is in force; what
 * it made is a list of its own only when the whole text was read and nothing was wrong with it.
 *
 * The text has one info_hash a line: 40 hexadecimal digits, or a magnet link. Of a magnet link all
 * parameters `xt=urn:btih:...` count (also xt.1 and so on), with 40 hexadecimal digits or 32 of
 * base32 (RFC 4648), of which at least one must be there. Letters have either case, a parameter may
 * be percent-encoded, and the others mean nothing. Blanks (spaces, tabs, carriage returns) at both
 * ends are passed over, and so are empty lines, a `#` at the start or after a blank with what
 * follows it, and a byte order mark of UTF-8 at the start. An info_hash may stand there repeatedly.
 * The last line may lack its end. Everything else is an error.
 *
 * The memory is 28 bytes for each info_hash and whole pages, and a buffer while a list is loaded;
 * what is reserved besides, by the size of the text, is address space. First the text is read, then
 * the table is made, all in steps of some tenths of a millisecond at most. Errors are one line:
 * "line 7: why", or what is wrong with the file as a whole. They quote nothing of it.
 */
#ifndef LIST_H
#define LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIST_HASH_SIZE 20       /* an info_hash: bytes, as they are on the wire */
#ifndef LIST_MAX
#define LIST_MAX (1 << 26)      /* info_hashes of a text, repeated ones counted */
#endif
#define LIST_LINE_MAX 8192      /* bytes of a line, its end not counted */
#define LIST_SLICE 65536        /* bytes that a step reads */
#define LIST_ERROR_MAX 128      /* bytes of an error, terminated */

struct list;

/* -- lists ------------------------------------------------------------------------------ */

/* Is it in the list? O(1). */
bool list_has(const struct list *list, const uint8_t info_hash[static LIST_HASH_SIZE]);

/* How many are in it, and the memory that they take. */
uint32_t list_count(const struct list *list);
size_t list_memory(const struct list *list);

/*
 * Give back a part of a list, which is no list from then on: up to 1 MB, which takes no more time
 * than a step of a loader. Returns true when nothing is left; else it is to be called again.
 * list_free does all of that at once, in milliseconds. NULL is a list of which nothing is left.
 */
bool list_free_part(struct list *list);
void list_free(struct list *list);

/* -- loading one ------------------------------------------------------------------------ */

enum list_state {
	LIST_MORE,              /* to be called again */
	LIST_DONE,              /* the list is whole */
	LIST_FAILED             /* there is none, and error says why */
};

struct list_loader;

/*
 * Begin to load a file from a descriptor, which is closed in any case, at the latest by
 * list_loader_free. NULL with a text in error if the memory cannot be had, or it is not the
 * descriptor of a file: pipes, sockets and terminals, which might be waited for, are refused. -1
 * is no descriptor, and the error is that of errno.
 *
 * Nothing but read(2) and lseek(2) is called on it, so the file may lie on anything; a read waits
 * for the disk, if the system has not read ahead.
 */
struct list_loader *list_loader_new(int fd, char error[static LIST_ERROR_MAX]);

/*
 * Read a slice, or make some of the table. The file must be as long at the end as it was at the
 * beginning: what another program is still writing fails, and what it replaces by rename(2) is
 * read as it was. Not to be called again after LIST_DONE or LIST_FAILED.
 */
enum list_state list_loader_step(struct list_loader *loader, char error[static LIST_ERROR_MAX]);

/*
 * Once: the list, which is the caller's from then on. Of a loader that is not done it is no list
 * and can be given back only, which may take long: so this is for who does it in parts.
 */
struct list *list_loader_take(struct list_loader *loader);

/* Give the loader back, with what it has read unless that was taken. NULL is allowed. */
void list_loader_free(struct list_loader *loader);

/*
 * The same of a text that the caller has in pieces: begin with its size, add the pieces (LIST_MORE
 * or LIST_FAILED), then end it, in steps. How it is cut does not matter.
 */
struct list_loader *list_loader_new_text(uint64_t size, char error[static LIST_ERROR_MAX]);
enum list_state list_loader_add(struct list_loader *loader, const void *bytes, size_t size,
    char error[static LIST_ERROR_MAX]);
enum list_state list_loader_end(struct list_loader *loader, char error[static LIST_ERROR_MAX]);

#endif
