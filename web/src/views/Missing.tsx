import { Empty } from "../parts/Notice";
import { useTitle } from "../title";

export function Missing() {
  useTitle("Not found");
  return (
    <>
      <h1>Not found</h1>
      <section class="card">
        <Empty title="There is no such page">
          <a href="/">Home</a> or <a href="/runs">all runs</a> may have what you look for.
        </Empty>
      </section>
    </>
  );
}
