/* A wall clock that is wrong by as much as a file says: preloaded into a worker, it moves CLOCK_REALTIME by
   the signed 64-bit nanoseconds in the file that CLOCK_OFFSET_FILE names, whenever they change. Other clocks
   stay true, and so do waits with a deadline on the wall clock, as they were meant when they began.
   libfaketime would do the same, but waits for itself for ever in a program whose allocator asks for the time
   while the first symbol is looked up, which jemalloc does. This asks the kernel and allocates nothing. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

static const int64_t SECOND = 1000000000;
/* Deadlines on the monotonic clock count from the machine's start and stay below this. */
static const time_t WALL_CLOCK_SECONDS_MIN = 1000000000;
static const volatile int64_t *offset_ns;

__attribute__((constructor)) static void map_offset(void) {
  const char *path = getenv("CLOCK_OFFSET_FILE");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return;
  void *page = mmap(NULL, sizeof *offset_ns, PROT_READ, MAP_SHARED, file, 0);
  close(file);
  if (page != MAP_FAILED) offset_ns = page;
}

static struct timespec moved(struct timespec time, int64_t by_ns) {
  int64_t ns = (int64_t)time.tv_sec * SECOND + time.tv_nsec + by_ns;
  return (struct timespec){.tv_sec = ns / SECOND, .tv_nsec = ns % SECOND};
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  long failed = syscall(SYS_clock_gettime, clock, time);
  int is_wall = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
  if (!failed && is_wall && offset_ns) *time = moved(*time, *offset_ns);
  return (int)failed;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
  (void)zone;
  struct timespec now;
  if (clock_gettime(CLOCK_REALTIME, &now)) return -1;
  *time = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
  return 0;
}

time_t time(time_t *seconds) {
  struct timespec now;
  if (clock_gettime(CLOCK_REALTIME, &now)) return -1;
  if (seconds) *seconds = now.tv_sec;
  return now.tv_sec;
}

/* What the kernel is to be told of a deadline that was computed from the clock above. */
static struct timespec meant(const struct timespec *deadline) {
  int is_wall = deadline->tv_sec >= WALL_CLOCK_SECONDS_MIN;
  return is_wall && offset_ns ? moved(*deadline, -*offset_ns) : *deadline;
}

int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *deadline) {
  typedef int wait(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
  static wait *original;
  /* Without its version, an older and incompatible one of the same name is found. */
  if (!original) original = (wait *)dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
  if (!original) original = (wait *)dlsym(RTLD_NEXT, "pthread_cond_timedwait");
  struct timespec until = meant(deadline);
  return original(condition, mutex, &until);
}

/* librdkafka's way to wait, which does not pass through the function above. */
int cnd_timedwait(cnd_t *restrict condition, mtx_t *restrict mutex, const struct timespec *restrict deadline) {
  typedef int wait(cnd_t *, mtx_t *, const struct timespec *);
  static wait *original;
  if (!original) original = (wait *)dlsym(RTLD_NEXT, "cnd_timedwait");
  struct timespec until = meant(deadline);
  return original(condition, mutex, &until);
}
