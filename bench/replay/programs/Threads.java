// usage: Threads - a pool of threads that compute, share a map and a lock, and are waited for.
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

public class Threads {
    static long shared = 0;

    static synchronized void add(long value) {
        shared += value;
    }

    public static void main(String[] arguments) throws Exception {
        ConcurrentHashMap<Long, Long> map = new ConcurrentHashMap<>();
        ExecutorService pool = Executors.newFixedThreadPool(4);
        List<Future<Long>> results = new ArrayList<>();
        for (int task = 0; task < 16; task++) {
            final long number = task;
            results.add(pool.submit(() -> {
                long value = number;
                for (int n = 0; n < 200_000; n++) {
                    value = value * 6364136223846793005L + 1442695040888963407L;
                    if (n % 100 == 0) {
                        map.merge(value >>> 56, 1L, Long::sum);
                        add(1);
                    }
                }
                return value;
            }));
        }
        long sum = 0;
        for (Future<Long> result : results)
            sum ^= result.get();
        pool.shutdown();
        pool.awaitTermination(10, TimeUnit.SECONDS);
        System.out.println(sum + " " + shared + " " + map.values().stream().mapToLong(Long::longValue).sum());
    }
}
