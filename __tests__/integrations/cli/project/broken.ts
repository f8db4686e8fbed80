throw new TypeError('cannot start\nwithout a database');
