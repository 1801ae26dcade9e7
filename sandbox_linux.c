/* sandbox_linux.c - the sandbox by Linux' seccomp; see sandbox.h */
#define _GNU_SOURCE
#include "sandbox.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * The kernel's own headers (linux/seccomp.h, filter.h, audit.h) are not on every machine that can
 * build this; what is taken of them here is fixed for ever.
 */
struct instruction {        /* struct sock_filter */
	uint16_t code;
	uint8_t yes, no;        /* instructions to jump over */
	uint32_t value;
};

struct program {            /* struct sock_fprog */
	unsigned short length;
	const struct instruction *instructions;
};

struct call {               /* struct seccomp_data */
	int32_t number;
	uint32_t machine;
	uint64_t place;
	uint64_t arguments[6];
};

enum { LOAD = 0x20, RETURN = 0x06, IF_EQUAL = 0x15, IF_OVER = 0x25, IF_ANY = 0x45 };

#define PASS 0x7fff0000u
#define DENY (0x00050000u | EPERM)
#define MODE_FILTER 2
#define SET_MODE_FILTER 1
#define SPEC_ALLOW (1u << 2)

/* AUDIT_ARCH_...: the number of the machine in ELF, and what kind it is of. 0: not known here. */
#define KIND_64 0x80000000u
#define KIND_LITTLE 0x40000000u

#if defined __x86_64__ && !defined __ILP32__
#define MACHINE (62 | KIND_64 | KIND_LITTLE)
#elif defined __i386__
#define MACHINE (3 | KIND_LITTLE)
#elif defined __aarch64__ && !defined __ILP32__
#define MACHINE (183 | KIND_64 | KIND_LITTLE)
#elif defined __ARM_EABI__
#define MACHINE (40 | KIND_LITTLE)
#elif defined __mips__ && _MIPS_SIM == _ABIO32 && defined __MIPSEL__
#define MACHINE (8 | KIND_LITTLE)
#elif defined __mips__ && _MIPS_SIM == _ABIO32
#define MACHINE 8
#elif defined __mips__ && _MIPS_SIM == _ABI64 && defined __MIPSEL__
#define MACHINE (8 | KIND_64 | KIND_LITTLE)
#elif defined __mips__ && _MIPS_SIM == _ABI64
#define MACHINE (8 | KIND_64)
#elif defined __riscv && __riscv_xlen == 64
#define MACHINE (243 | KIND_64 | KIND_LITTLE)
#else
#define MACHINE 0
#endif

/* A C library may be newer than the headers: then it knows these by their numbers, and would take
 * EPERM for the answer. They are the same on all machines, past where the machine begins. */
#if UINTPTR_MAX == UINT32_MAX
#ifdef __NR_Linux
#define FIRST __NR_Linux
#else
#define FIRST 0
#endif
#ifndef __NR_clock_gettime64
#define __NR_clock_gettime64 (FIRST + 403)
#endif
#ifndef __NR_ppoll_time64
#define __NR_ppoll_time64 (FIRST + 414)
#endif
#ifndef __NR_futex_time64
#define __NR_futex_time64 (FIRST + 422)
#endif
#endif

/* The half of an argument that has its low bits. */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define ARGUMENT(n) (offsetof(struct call, arguments) + 8 * (n) + 4)
#else
#define ARGUMENT(n) (offsetof(struct call, arguments) + 8 * (n))
#endif

#define ALLOW(name) { IF_EQUAL, 0, 1, __NR_##name }, { RETURN, 0, 0, PASS }

/* If an argument has none of these bits; if it is not over that number. */
#define ALLOW_WITHOUT(name, n, bits) { IF_EQUAL, 0, 4, __NR_##name }, { LOAD, 0, 0, ARGUMENT(n) }, \
	{ IF_ANY, 0, 1, bits }, { RETURN, 0, 0, DENY }, { RETURN, 0, 0, PASS }
#define ALLOW_UP_TO(name, n, most) { IF_EQUAL, 0, 4, __NR_##name }, { LOAD, 0, 0, ARGUMENT(n) }, \
	{ IF_OVER, 0, 1, most }, { RETURN, 0, 0, DENY }, { RETURN, 0, 0, PASS }

/* MSG_FASTOPEN: a send that connects. It would make of a listener that was shut down a way out. What
 * goes by socketcall (x86 of 32 bits) cannot be told so. */
#define FAST_OPEN 0x20000000
#define COMMAND_MOST 4      /* F_SETFL, the last of fcntl's that ask and set flags */

/*
 * What serving takes, by glibc and by musl, and what either uses in its place on some machine or
 * where another is missing. The numbers of x32 have a bit more and so are none of these.
 */
static const struct instruction filter[] = {
	{ LOAD, 0, 0, offsetof(struct call, machine) },
	{ IF_EQUAL, 1, 0, MACHINE },
	{ RETURN, 0, 0, DENY },
	{ LOAD, 0, 0, offsetof(struct call, number) },

	/* Bytes; what each connection takes comes first. */
#ifdef __NR_recv
	ALLOW(recv), ALLOW(send),
#endif
#ifdef __NR_recvfrom
	ALLOW(recvfrom), ALLOW_WITHOUT(sendto, 3, FAST_OPEN),
	ALLOW_WITHOUT(sendmsg, 2, FAST_OPEN), ALLOW(accept4), ALLOW(recvmsg), ALLOW(shutdown),
#endif
#ifdef __NR_epoll_wait
	ALLOW(epoll_wait),
#endif
	ALLOW(epoll_pwait), ALLOW(epoll_ctl),
#ifdef __NR_poll
	ALLOW(poll),
#endif
#ifdef __NR_ppoll
	ALLOW(ppoll),
#endif
#ifdef __NR_ppoll_time64
	ALLOW(ppoll_time64),
#endif
#ifdef __NR_accept
	ALLOW(accept),
#endif
#ifdef __NR_socketcall
	/* One call for many, told apart by their first argument: accept; send to shutdown; sendmsg,
	 * recvmsg and accept4. */
	{ IF_EQUAL, 0, 8, __NR_socketcall },
	{ LOAD, 0, 0, ARGUMENT(0) },
	{ IF_EQUAL, 4, 0, 5 },
	{ IF_OVER, 0, 4, 8 },
	{ IF_OVER, 0, 2, 13 },
	{ IF_OVER, 0, 2, 15 },
	{ IF_OVER, 1, 0, 18 },
	{ RETURN, 0, 0, PASS },
	{ RETURN, 0, 0, DENY },
#endif
	ALLOW(close), ALLOW(read), ALLOW(write), ALLOW(writev),
#ifdef __NR_lseek
	ALLOW(lseek),
#endif
#ifdef __NR__llseek
	ALLOW(_llseek),
#endif
#ifdef __NR_fcntl
	ALLOW_UP_TO(fcntl, 1, COMMAND_MOST),
#endif
#ifdef __NR_fcntl64
	ALLOW_UP_TO(fcntl64, 1, COMMAND_MOST),
#endif

	/* Time, where the kernel does not tell it without a call. */
#ifdef __NR_clock_gettime
	ALLOW(clock_gettime),
#endif
#ifdef __NR_clock_gettime64
	ALLOW(clock_gettime64),
#endif
#ifdef __NR_gettimeofday
	ALLOW(gettimeofday),
#endif
#ifdef __NR_time
	ALLOW(time),
#endif

	/* Memory, and what keys are made of. */
	ALLOW(brk), ALLOW(munmap), ALLOW(mremap), ALLOW(madvise),
	ALLOW_WITHOUT(mprotect, 2, PROT_EXEC),
#ifdef __NR_mmap2
	ALLOW_WITHOUT(mmap2, 2, PROT_EXEC),
#endif
#if defined __NR_mmap && !defined __i386__
	/* There it has one argument, which points to them all. */
	ALLOW_WITHOUT(mmap, 2, PROT_EXEC),
#endif
#ifdef __NR_getrandom
	ALLOW(getrandom),
#endif

	/* Signals, locks, the opener, the end. */
	ALLOW(rt_sigreturn), ALLOW(restart_syscall),
#ifdef __NR_sigreturn
	ALLOW(sigreturn),
#endif
#ifdef __NR_futex
	ALLOW(futex),
#endif
#ifdef __NR_futex_time64
	ALLOW(futex_time64),
#endif
#ifdef __NR_wait4
	ALLOW(wait4),
#endif
	ALLOW(waitid), ALLOW(exit), ALLOW(exit_group),
	{ RETURN, 0, 0, DENY }
};

const char *sandbox_name(void)
{
	/* A kernel that has filters reads this one first, and finds that it is nowhere. */
	return MACHINE != 0 && prctl(PR_SET_SECCOMP, MODE_FILTER, NULL, 0, 0) != 0 &&
	    errno == EFAULT ? "seccomp" : NULL;
}

bool sandbox_enter(void)
{
	static const struct program program = { sizeof filter / sizeof filter[0], filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return false;
#ifdef __NR_seccomp
	/* Up to Linux 5.15 the processor is made slower for who is filtered, for the sake of those
	 * that run strangers' programs, unless it is told that this is not such a one. */
	if (syscall(__NR_seccomp, SET_MODE_FILTER, SPEC_ALLOW, &program) == 0)
		return true;
#endif
	return prctl(PR_SET_SECCOMP, MODE_FILTER, &program, 0, 0) == 0;
}
