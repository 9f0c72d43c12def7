create table app.users (id int, name varchar(50), age int, email varchar(100) not null, score decimal(8, 2), born date,
  primary key (id), unique key by_email (email), key by_age_name (age, name)) comment '10000';
create table app.orders (id bigint, user_id int not null, day date, total decimal(10, 2) not null, note text, status varchar(10) default 'new',
  primary key (id), key by_user (user_id), key by_day (day)) comment '100000';
create table app.lines (order_id bigint, line int, item_id int, qty int, primary key (order_id, line), key by_item (item_id)) comment '500000';
create table app.items (id int auto_increment, code varchar(10) not null, price double, primary key (id), unique key by_code (code)) comment '1000';
create table app.plain (a int, b int, c varchar(20));
create table app.t (a int, b int, c int, d int, primary key (a, b), key cd (c, d)) comment '10000';
create table other.users (id int, x int, primary key (id));
create table system.tables (name varchar(64), primary key (name));
create table app.ci (k varchar(20) collate utf8mb4_0900_ai_ci, v int, primary key (k)) comment '1000'
