// The dashboard held against Grafana's own types. DASHBOARD stands for the JSON.
import type { Dashboard } from '@grafana/schema';

// What JSON has where a type has an enumeration: the value.
type Json<T> = T extends string ? `${T}`
    : T extends number ? number
    : T extends (infer Element)[] ? Json<Element>[]
    : T extends object ? { [Key in keyof T]: Json<T[Key]> }
    : T;

const dashboard: Json<Dashboard> = DASHBOARD;
export default dashboard;
