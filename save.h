/*
 * save.h - replacing a file, whole or not at all.
 *
 * A file NAME is written as NAME.new, which then takes its place, so that whoever reads it finds
 * what was there before or what is there now, also when the machine fails in between. What stands
 * at NAME.new is lost. Links are replaced, never followed, but for those in the folder's path.
 */
#ifndef SAVE_H
#define SAVE_H

#include <stddef.h>

#define SAVE_NAME_MAX 64        /* bytes of a name, terminated */

/* Each returns 0, or errno. */

/* Make these bytes the file. Returns when they are on the disk. EBUSY: another process is writing
 * the same file, and may have the last word. */
int save_file(const char *folder, const char *name, const void *bytes, size_t size);

/* Could that be done? Nothing is left of the try. */
int save_try(const char *folder, const char *name);

/* Give a file another name, in the place of one that has it. */
int save_aside(const char *folder, const char *name, const char *aside);

#endif
