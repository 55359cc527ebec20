/*
 * Loaded before libc. Node's threads wake each other by writing to an eventfd, and its signal handler
 * writes to a pipe, with the same call by which files are written. strace counts calls, so a fault for a
 * file would meet a wake-up as often; no disk fails that, and node ends itself when it happens. Here
 * what is no file is written by another call, and the count of `write` is one of files.
 */
#include <stddef.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

ssize_t write(int fd, const void *bytes, size_t count)
{
	struct stat about;
	if (fstat(fd, &about) == 0 && !S_ISREG(about.st_mode)) {
		struct iovec part = { (void *)bytes, count };
		return syscall(SYS_writev, fd, &part, 1);
	}
	return syscall(SYS_write, fd, bytes, count);
}
