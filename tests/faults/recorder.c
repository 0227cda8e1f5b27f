/* A library to preload: records every change that a process makes to files below one
 * folder, with the bytes, and can make the n-th such change fail.
 *
 * FAULTS_ROOT names the folder, FAULTS_LOG the file that gets the record. A record is
 * "op path_bytes path2_bytes offset data_bytes\n" followed by path, path2 and data:
 *   c create a file   w write   t truncate to offset   s fsync a file or folder
 *   u unlink          r rename  m mkdir                d rmdir
 * Built and read by tests/faults only. SQLite's own writes pass through here too.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REAL(name) \
    static __typeof__(name) *real; \
    if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -2;
static long changes, fail_at = -1;
static int fail_errno, fail_ever, fail_short;

/* Count from zero again; at the n-th change (from 1) fail with this errno, once or for
 * ever after. error 0: the write is short instead. at 0: never fail. */
void faults_arm(long at, int error, int ever) {
    changes = 0, fail_at = at, fail_errno = error, fail_ever = ever, fail_short = error == 0;
}

long faults_changes(void) { return changes; }

static int watched(const char *path) {
    const char *root = getenv("FAULTS_ROOT");
    size_t length = root ? strlen(root) : 0;
    return length && !strncmp(path, root, length) && (path[length] == '/' || !path[length]);
}

static int path_of(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlink, link, path, PATH_MAX - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return watched(path);
}

static int path_at(int folder, const char *name, char *path) {
    char base[PATH_MAX];
    if (name[0] == '/') snprintf(path, PATH_MAX, "%s", name);
    else if (folder == AT_FDCWD) {
        if (!getcwd(base, sizeof base)) return 0;
        snprintf(path, PATH_MAX, "%.2000s/%.2000s", base, name);
    } else {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        ssize_t length = syscall(SYS_readlink, link, base, sizeof base - 1);
        if (length < 0) return 0;
        base[length] = 0;
        snprintf(path, PATH_MAX, "%.2000s/%.2000s", base, name);
    }
    return watched(path);
}

static void record(char op, const char *path, const char *to, long offset, const void *data, size_t bytes) {
    const char *name = getenv("FAULTS_LOG");
    if (!name) return;
    pthread_mutex_lock(&turn);
    if (log_fd == -2) log_fd = syscall(SYS_openat, AT_FDCWD, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    char head[96];
    int length = snprintf(head, sizeof head, "%c %zu %zu %ld %zu\n", op, strlen(path), strlen(to), offset, bytes);
    syscall(SYS_write, log_fd, head, length);
    syscall(SYS_write, log_fd, path, strlen(path));
    syscall(SYS_write, log_fd, to, strlen(to));
    if (bytes) syscall(SYS_write, log_fd, data, bytes);
    pthread_mutex_unlock(&turn);
}

/* Whether this change is one that must fail; a short write is told by errno 0. */
static int fails(void) {
    long now = __sync_add_and_fetch(&changes, 1);
    if (fail_at <= 0 || now < fail_at || (now > fail_at && !fail_ever)) return 0;
    errno = fail_errno;
    return 1;
}

static int opened(int fd, int existed, int flags, const char *path) {
    if (fd >= 0 && !existed) record('c', path, "", 0, 0, 0);
    else if (fd >= 0 && (flags & O_TRUNC)) record('t', path, "", 0, 0, 0);
    return fd;
}

#define OPEN(name, declared, folder, call)                                           \
    int name declared {                                                              \
        REAL(name);                                                                  \
        mode_t mode = 0;                                                             \
        if (flags & O_CREAT) {                                                       \
            va_list rest;                                                            \
            va_start(rest, flags);                                                   \
            mode = va_arg(rest, int);                                                \
            va_end(rest);                                                            \
        }                                                                            \
        char path[PATH_MAX];                                                         \
        if (!(flags & (O_CREAT | O_TRUNC)) || !path_at(folder, file, path)) return real call; \
        int existed = syscall(SYS_access, path, F_OK) == 0;                          \
        if ((!existed || (flags & O_TRUNC)) && fails()) {                            \
            if (!fail_short) return -1;                                              \
        }                                                                            \
        return opened(real call, existed, flags, path);                              \
    }

OPEN(open, (const char *file, int flags, ...), AT_FDCWD, (file, flags, mode))
OPEN(open64, (const char *file, int flags, ...), AT_FDCWD, (file, flags, mode))
OPEN(openat, (int folder, const char *file, int flags, ...), folder, (folder, file, flags, mode))
OPEN(openat64, (int folder, const char *file, int flags, ...), folder, (folder, file, flags, mode))

ssize_t write(int fd, const void *data, size_t bytes) {
    REAL(write);
    char path[PATH_MAX];
    if (!path_of(fd, path)) return real(fd, data, bytes);
    if (fails()) {
        if (!fail_short) return -1;
        bytes = bytes > 1 ? bytes / 2 : bytes;
    }
    ssize_t done = real(fd, data, bytes);
    if (done > 0) record('w', path, "", lseek(fd, 0, SEEK_CUR) - done, data, done);
    return done;
}

#define PWRITE(name, type)                                                 \
    ssize_t name(int fd, const void *data, size_t bytes, type offset) {    \
        REAL(name);                                                        \
        char path[PATH_MAX];                                               \
        if (!path_of(fd, path)) return real(fd, data, bytes, offset);      \
        if (fails()) {                                                     \
            if (!fail_short) return -1;                                    \
            bytes = bytes > 1 ? bytes / 2 : bytes;                         \
        }                                                                  \
        ssize_t done = real(fd, data, bytes, offset);                      \
        if (done > 0) record('w', path, "", offset, data, done);           \
        return done;                                                       \
    }

PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define TRUNCATE(name, type)                                               \
    int name(int fd, type length) {                                        \
        REAL(name);                                                        \
        char path[PATH_MAX];                                               \
        if (!path_of(fd, path)) return real(fd, length);                   \
        if (fails() && !fail_short) return -1;                             \
        int status = real(fd, length);                                     \
        if (!status) record('t', path, "", length, 0, 0);                  \
        return status;                                                     \
    }

TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

#define SYNC(name)                                                         \
    int name(int fd) {                                                     \
        REAL(name);                                                        \
        char path[PATH_MAX];                                               \
        if (!path_of(fd, path)) return real(fd);                           \
        if (fails() && !fail_short) return -1;                             \
        int status = real(fd);                                             \
        if (!status) record('s', path, "", 0, 0, 0);                       \
        return status;                                                     \
    }

SYNC(fsync)
SYNC(fdatasync)

#define CHANGE(name, declared, folder, file, call, op)                     \
    int name declared {                                                    \
        REAL(name);                                                        \
        char path[PATH_MAX];                                               \
        if (!path_at(folder, file, path)) return real call;                \
        if (fails() && !fail_short) return -1;                             \
        int status = real call;                                            \
        if (!status) record(op, path, "", 0, 0, 0);                        \
        return status;                                                     \
    }

CHANGE(unlink, (const char *file), AT_FDCWD, file, (file), 'u')
CHANGE(rmdir, (const char *file), AT_FDCWD, file, (file), 'd')
CHANGE(mkdir, (const char *file, mode_t mode), AT_FDCWD, file, (file, mode), 'm')
CHANGE(unlinkat, (int folder, const char *file, int flags), folder, file, (folder, file, flags), (flags & AT_REMOVEDIR) ? 'd' : 'u')
CHANGE(mkdirat, (int folder, const char *file, mode_t mode), folder, file, (folder, file, mode), 'm')

#define RENAME(name, declared, one, two, call)                             \
    int name declared {                                                    \
        REAL(name);                                                        \
        char path[PATH_MAX], to[PATH_MAX];                                 \
        if (!path_at(one, from, path) || !path_at(two, into, to)) return real call; \
        if (fails() && !fail_short) return -1;                             \
        int status = real call;                                            \
        if (!status) record('r', path, to, 0, 0, 0);                       \
        return status;                                                     \
    }

RENAME(rename, (const char *from, const char *into), AT_FDCWD, AT_FDCWD, (from, into))
RENAME(renameat, (int one, const char *from, int two, const char *into), one, two, (one, from, two, into))
