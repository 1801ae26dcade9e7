/*
 * opener.h - a small process that keeps the rights of the start for a program that gives them up.
 *
 * It opens files that were named when it was started, nothing else, and hands their descriptors
 * over; it starts commands that were named then, nothing else, and hands over a socket to each; and
 * it removes the files of Unix-domain sockets when the program ends, however it ends. It saves the
 * program's state, again to a file that was named then.
 * The program asks by number: no name comes from it. Start the opener before there is much memory,
 * which it would share. It ignores the signals that end the program and ends after it, or by
 * opener_end.
 *
 * A command is run by `/bin/sh -c` in a session of its own, as `user` if there is one, with the
 * environment, folder and limits that the program had at opener_start, no signal ignored or
 * blocked. Its standard input and output are one end of a stream socket (AF_UNIX) whose other end
 * the program gets; its standard error is the program's. There is one process of a command at a
 * time. When the shell, or what took its place, has ended, what is left of its process group is
 * killed. When the program has ended the commands see the end of their input; OPENER_LEAVE later
 * they get SIGTERM, and OPENER_GRACE after that SIGKILL, each for the whole group.
 *
 * What is to be saved the program puts into memory that both share, which costs nothing before it
 * is touched. A process of its own writes it (save.h), so that nobody waits for a slow disk; it
 * goes on to its end also when program and opener have ended.
 */
#ifndef OPENER_H
#define OPENER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define OPENER_NAMES_MAX 34     /* 16 certificates with their keys, and two lists */
#define OPENER_COMMANDS_MAX 4
#define OPENER_PATIENCE 1000    /* ms that it has for an answer */
#define OPENER_LEAVE 300        /* ms */
#define OPENER_GRACE 500        /* ms */

struct user;

/* Descriptors 0 to 2 are open if there are commands. */
struct opener_names {
	const char *files[OPENER_NAMES_MAX];        /* to be opened, by their place here */
	size_t file_count;
	const char *sockets[OPENER_NAMES_MAX];      /* to be removed */
	size_t socket_count;
	const char *commands[OPENER_COMMANDS_MAX];  /* to be started, by their place here */
	size_t command_count;
	const struct user *user;    /* that commands become (user.h); NULL: they stay who this is */
	const char *folder, *saved; /* of the file that opener_save replaces; NULL: there is none */
	size_t save_max;            /* its most bytes */
};

/* A command that was asked for. */
struct opener_launch {
	uint32_t number;    /* of the request; 0: there is none */
	bool answered;
	int fd;             /* -1: fault says why */
	int fault;          /* errno */
};

/* A save that was asked for. */
struct opener_save {
	uint32_t number;    /* of the request; 0: there is none */
	bool answered;
	int fault;          /* errno; 0: it was saved */
};

struct opener {
	int fd;             /* of the socket to it; -1: there is none, or it has ended */
	pid_t pid;          /* 0: nobody is to be waited for */
	uint32_t asked;     /* requests so far, by which their answers are known */
	struct opener_launch launches[OPENER_COMMANDS_MAX];
	void *memory;       /* of what is saved; NULL: nothing is */
	size_t memory_size;
	struct opener_save save;
};

#define OPENER_NONE ((struct opener){ .fd = -1 })

/* Start it. It needs the names no longer than the caller's memory was shared, at fork(2). False
 * with errno set. */
bool opener_start(struct opener *opener, const struct opener_names *names);

/* The sockets have been made: the files that there are now will be removed at the end, unless
 * others are in their places by then. */
void opener_note(struct opener *opener);

/* Remove them now. */
void opener_remove(struct opener *opener);

/* Open a file. Returns its descriptor, or -1 with errno set: ESRCH if there is no opener (any
 * more), ETIMEDOUT if it does not answer, EINVAL if there is no such number. */
int opener_open(struct opener *opener, size_t file);

/* Ask for a command to be started, without waiting for that; a process of it that there still is
 * gets SIGTERM, and SIGKILL OPENER_GRACE later. False with errno set, as above. */
bool opener_launch(struct opener *opener, size_t command);

/* What has become of that, without waiting: a descriptor (not blocking, closed on exec) whose end
 * of file says that the command has ended, or -1 with errno set: EINPROGRESS if it is not known
 * yet, ESRCH as above, else why there is no process. Tells it once; then, and if opener_launch was
 * not called, EINVAL. That a user cannot be become or a shell not be run shows as a command that
 * ends at once, and on standard error. */
int opener_launched(struct opener *opener, size_t command);

/* End a command's process, as opener_launch does. Close its descriptor as well. */
void opener_stop(struct opener *opener, size_t command);

/* The memory of save_max bytes in which the program puts what is to be saved; NULL if no file was
 * named. */
void *opener_memory(const struct opener *opener);

/* Ask for the first bytes of that memory to be saved, without waiting for that. Until opener_saved
 * has told what became of it the memory must not be written to. False with errno set: EBUSY if that
 * was not told yet, EINVAL if it has not so many bytes, ESRCH and ETIMEDOUT as above. */
bool opener_save(struct opener *opener, size_t size);

/* What has become of that, without waiting: 0, EINPROGRESS if it is not known yet, ESRCH if there
 * is no opener any more, EINTR if the process that saved was ended, else why it cannot be saved.
 * Tells it once; then, and if opener_save was not called, EINVAL. */
int opener_saved(struct opener *opener);

/* Let it end, and wait for that, but not for a save: for commands that do not end by themselves up
 * to OPENER_LEAVE + OPENER_GRACE. Without an opener nothing happens. Descriptors of commands that
 * were not taken are closed, others stay the caller's: close them first. */
void opener_end(struct opener *opener);

#endif
