/*
 * Loaded before libc: refuses single disk calls as a sick disk would. Which, says a file that the
 * harness writes and every process maps (`refusals.ts`): a call and a pattern of paths, for one process
 * or for all. The first call that fits is answered with the error, and the slot says so, and where.
 * Counting calls, as strace does, hits another call in each life; a path is hit whenever it is met.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <regex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define SLOTS 16
#define TEXT_BYTES 2000

enum { FREE, ARMED, HIT, HITTING };
enum { ANY_THREAD, MAIN_THREAD, OTHER_THREAD };

/* The same in refusals.ts. */
struct slot {
	int state, pid, thread, error;
	unsigned serial;
	char call[28];
	char pattern[TEXT_BYTES];
	char path[TEXT_BYTES];
};

static struct slot *slots;
static regex_t compiled[SLOTS];
static unsigned compiled_serial[SLOTS];
static pthread_mutex_t compiling = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void map_slots(void)
{
	const char *file = getenv("DISK_REFUSALS");
	int fd = file == NULL || *file == '\0' ? -1 : open(file, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	void *at = mmap(NULL, SLOTS * sizeof(struct slot), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at != MAP_FAILED)
		slots = at;
	close(fd);
}

static int concerns(const struct slot *slot, const char *call)
{
	if (__atomic_load_n(&slot->state, __ATOMIC_ACQUIRE) != ARMED || strcmp(slot->call, call) != 0)
		return 0;
	if (slot->pid != 0 && slot->pid != getpid())
		return 0;
	int is_main = getpid() == gettid();
	return slot->thread == ANY_THREAD || (slot->thread == MAIN_THREAD) == is_main;
}

static int matches(int index, const char *path)
{
	struct slot *slot = &slots[index];
	pthread_mutex_lock(&compiling);
	if (compiled_serial[index] != slot->serial) {
		if (compiled_serial[index] != 0)
			regfree(&compiled[index]);
		int bad = regcomp(&compiled[index], slot->pattern, REG_EXTENDED | REG_NOSUB);
		compiled_serial[index] = bad ? 0 : slot->serial;
	}
	int fits = compiled_serial[index] == slot->serial &&
		   regexec(&compiled[index], path, 0, NULL, 0) == 0;
	pthread_mutex_unlock(&compiling);
	return fits;
}

static int is_concerned(const char *call)
{
	for (int index = 0; slots != NULL && index < SLOTS; index++)
		if (concerns(&slots[index], call))
			return 1;
	return 0;
}

/* The error that the call on this path is to be answered with; 0: none. */
static int refusal(const char *call, const char *path)
{
	for (int index = 0; slots != NULL && index < SLOTS; index++) {
		struct slot *slot = &slots[index];
		if (!concerns(slot, call) || !matches(index, path))
			continue;
		int armed = ARMED;
		if (!__atomic_compare_exchange_n(&slot->state, &armed, HITTING, 0, __ATOMIC_ACQ_REL,
						 __ATOMIC_ACQUIRE))
			continue;
		snprintf(slot->path, TEXT_BYTES, "%s", path);
		__atomic_store_n(&slot->state, HIT, __ATOMIC_RELEASE);
		return slot->error;
	}
	return 0;
}

static int refuses_path(const char *call, int dirfd, const char *path)
{
	if (path == NULL || !is_concerned(call))
		return 0;
	char whole[TEXT_BYTES];
	if (path[0] == '/') {
		snprintf(whole, sizeof whole, "%s", path);
	} else {
		char link[64], dir[TEXT_BYTES / 2];
		if (dirfd == AT_FDCWD)
			snprintf(link, sizeof link, "/proc/self/cwd");
		else
			snprintf(link, sizeof link, "/proc/self/fd/%d", dirfd);
		ssize_t length = readlink(link, dir, sizeof dir - 1);
		if (length < 0)
			return 0;
		dir[length] = '\0';
		snprintf(whole, sizeof whole, "%s/%s", dir, path);
	}
	int error = refusal(call, whole);
	if (error != 0)
		errno = error;
	return error != 0;
}

static int refuses_fd(const char *call, int fd)
{
	struct stat about;
	if (!is_concerned(call))
		return 0;
	int before = errno;
	/* Threads wake each other through what is no file, and no disk refuses that. */
	if (fstat(fd, &about) != 0 || !(S_ISREG(about.st_mode) || S_ISDIR(about.st_mode))) {
		errno = before;
		return 0;
	}
	char link[64], path[TEXT_BYTES];
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t length = readlink(link, path, sizeof path - 1);
	errno = before;
	if (length < 0)
		return 0;
	path[length] = '\0';
	int error = refusal(call, path);
	if (error != 0)
		errno = error;
	return error != 0;
}

#define REAL(name, result, ...)                                                                    \
	static result (*real)(__VA_ARGS__);                                                        \
	if (real == NULL)                                                                          \
		real = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name);

#define BY_FD(name, call, result, params, args, types)                                             \
	result name params                                                                         \
	{                                                                                          \
		REAL(name, result, types)                                                          \
		return refuses_fd(call, fd) ? -1 : real args;                                      \
	}
#define TYPES(...) __VA_ARGS__

BY_FD(write, "write", ssize_t, (int fd, const void *b, size_t n), (fd, b, n),
      TYPES(int, const void *, size_t))
BY_FD(pwrite, "pwrite64", ssize_t, (int fd, const void *b, size_t n, off_t at), (fd, b, n, at),
      TYPES(int, const void *, size_t, off_t))
BY_FD(pwrite64, "pwrite64", ssize_t, (int fd, const void *b, size_t n, off64_t at), (fd, b, n, at),
      TYPES(int, const void *, size_t, off64_t))
BY_FD(writev, "writev", ssize_t, (int fd, const struct iovec *v, int n), (fd, v, n),
      TYPES(int, const struct iovec *, int))
BY_FD(pwritev, "pwritev", ssize_t, (int fd, const struct iovec *v, int n, off_t at),
      (fd, v, n, at), TYPES(int, const struct iovec *, int, off_t))
BY_FD(pwritev64, "pwritev", ssize_t, (int fd, const struct iovec *v, int n, off64_t at),
      (fd, v, n, at), TYPES(int, const struct iovec *, int, off64_t))
BY_FD(fsync, "fsync", int, (int fd), (fd), TYPES(int))
BY_FD(fdatasync, "fdatasync", int, (int fd), (fd), TYPES(int))
BY_FD(ftruncate, "ftruncate", int, (int fd, off_t size), (fd, size), TYPES(int, off_t))
BY_FD(ftruncate64, "ftruncate", int, (int fd, off64_t size), (fd, size), TYPES(int, off64_t))
BY_FD(fallocate, "fallocate", int, (int fd, int mode, off_t at, off_t size), (fd, mode, at, size),
      TYPES(int, int, off_t, off_t))
BY_FD(fallocate64, "fallocate", int, (int fd, int mode, off64_t at, off64_t size),
      (fd, mode, at, size), TYPES(int, int, off64_t, off64_t))
BY_FD(futimens, "utimensat", int, (int fd, const struct timespec times[2]), (fd, times),
      TYPES(int, const struct timespec *))

ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t n, unsigned flags)
{
	REAL(copy_file_range, ssize_t, int, off64_t *, int, off64_t *, size_t, unsigned)
	return refuses_fd("copy_file_range", out) ? -1 : real(in, from, out, to, n, flags);
}

int utimensat(int dir, const char *path, const struct timespec times[2], int flags)
{
	REAL(utimensat, int, int, const char *, const struct timespec *, int)
	return refuses_path("utimensat", dir, path) ? -1 : real(dir, path, times, flags);
}

int mkdir(const char *path, mode_t mode)
{
	REAL(mkdir, int, const char *, mode_t)
	return refuses_path("mkdir", AT_FDCWD, path) ? -1 : real(path, mode);
}

/* With its six X still in it, which are what a path of any life has there too. */
char *mkdtemp(char *path)
{
	REAL(mkdtemp, char *, char *)
	return refuses_path("mkdir", AT_FDCWD, path) ? NULL : real(path);
}

int unlink(const char *path)
{
	REAL(unlink, int, const char *)
	return refuses_path("unlink", AT_FDCWD, path) ? -1 : real(path);
}

int rename(const char *from, const char *to)
{
	REAL(rename, int, const char *, const char *)
	return refuses_path("rename", AT_FDCWD, to) ? -1 : real(from, to);
}

int link(const char *from, const char *to)
{
	REAL(link, int, const char *, const char *)
	return refuses_path("link", AT_FDCWD, to) ? -1 : real(from, to);
}

/* Only an open that may make a file asks the disk to take something. */
static int refuses_open(int dir, const char *path, int flags)
{
	return (flags & O_CREAT) != 0 && refuses_path("openat", dir, path);
}

static mode_t mode_in(int flags, va_list args)
{
	return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(args, mode_t) : 0;
}

#define OPEN(name)                                                                                 \
	int name(const char *path, int flags, ...)                                                 \
	{                                                                                          \
		REAL(name, int, const char *, int, ...)                                            \
		va_list args;                                                                      \
		va_start(args, flags);                                                             \
		mode_t mode = mode_in(flags, args);                                                \
		va_end(args);                                                                      \
		return refuses_open(AT_FDCWD, path, flags) ? -1 : real(path, flags, mode);         \
	}
#define OPENAT(name)                                                                               \
	int name(int dir, const char *path, int flags, ...)                                        \
	{                                                                                          \
		REAL(name, int, int, const char *, int, ...)                                       \
		va_list args;                                                                      \
		va_start(args, flags);                                                             \
		mode_t mode = mode_in(flags, args);                                                \
		va_end(args);                                                                      \
		return refuses_open(dir, path, flags) ? -1 : real(dir, path, flags, mode);         \
	}
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)
